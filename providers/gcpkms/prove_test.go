package gcpkms_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/keyferry/keyferry/broker"
)

// TestAProofByMAC compares, and sends what it must with its checksum.
func TestAProofByMAC(t *testing.T) {
	t.Parallel()
	secret := []byte("thirty-two bytes that are secret")
	s := newScript(t, func(a asking) (proto.Message, error) {
		in, ok := a.in.(*kmspb.MacSignRequest)
		if !ok {
			return nil, status.Error(codes.Internal, a.rpc)
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write(in.GetData())
		sum := mac.Sum(nil)
		return &kmspb.MacSignResponse{
			Name: in.GetName(), Mac: sum, MacCrc32C: crc(sum), ProtectionLevel: kmspb.ProtectionLevel_HSM,
			VerifiedDataCrc32C: proto.Equal(in.GetDataCrc32C(), crc(in.GetData())),
		}, nil
	})
	c := challenge(broker.ProofMAC, broker.HMAC256, broker.MAC)
	answer, err := adapter(t, s).Prove(t.Context(), numbered("1"), c)
	if err != nil {
		t.Fatal(err)
	}
	for right, key := range map[bool][]byte{true: secret, false: []byte("another")} {
		mac := hmac.New(sha256.New, key)
		mac.Write(c.Message())
		if err := c.Compare(broker.Answer{Value: mac.Sum(nil)}, answer, time.Now()); (err == nil) != right {
			t.Errorf("compared with material that is the same: %v: %v", right, err)
		}
	}
}

// TestAProofThroughConsumers asks what they get: by a version's name that one, by a
// key's its primary. Another of the target's that answers is Differs.
func TestAProofThroughConsumers(t *testing.T) {
	t.Parallel()
	mac := []byte("mac")
	answer := func(key *kmspb.CryptoKey) answering {
		return func(a asking) (proto.Message, error) {
			switch in := a.in.(type) {
			case *kmspb.MacSignRequest:
				return &kmspb.MacSignResponse{Name: in.GetName(), Mac: mac, MacCrc32C: crc(mac), VerifiedDataCrc32C: true, ProtectionLevel: kmspb.ProtectionLevel_HSM}, nil
			case *kmspb.GetCryptoKeyVersionRequest:
				return version(in.GetName()), nil
			case *kmspb.GetCryptoKeyRequest:
				out := proto.CloneOf(key)
				out.Name = in.GetName()
				return out, nil
			default:
				return nil, status.Error(codes.Internal, a.rpc)
			}
		}
	}
	for name, x := range map[string]struct {
		via  string
		kind broker.Kind
	}{
		"its own name":    {keyName + "/cryptoKeyVersions/1", ""},
		"another version": {keyName + "/cryptoKeyVersions/2", broker.Differs},
		"another key's":   {ringName + "/cryptoKeys/other/cryptoKeyVersions/1", broker.Differs},
		"no primary":      {keyName, broker.NotFound},
		"another ring":    {"projects/x/locations/y/keyRings/z/cryptoKeys/k", broker.NotFound},
		"nothing":         {"payments", broker.NotFound},
	} {
		v := numbered("1")
		v.Via = x.via
		_, err := adapter(t, newScript(t, answer(whole(keyName)))).Prove(t.Context(), v, challenge(broker.ProofMAC, broker.HMAC256, broker.MAC))
		if x.kind == "" && err != nil || x.kind != "" && inWords(t, err).Kind != x.kind {
			t.Errorf("through %s: %v", name, err)
		}
	}
	for primary, kind := range map[string]broker.Kind{"1": "", "2": broker.Differs} {
		v := numbered("1")
		v.Via = keyName
		got, err := adapter(t, newScript(t, answer(symmetric(primary)))).Prove(t.Context(), v, challenge(broker.ProofAccepted, broker.AES256, broker.Encrypt))
		if kind == "" && (err != nil || got.Version != "1" || got.Reason == "") || kind != "" && inWords(t, err).Kind != kind {
			t.Errorf("through the primary %s: %+v, %v", primary, got, err)
		}
	}
}

// TestAcceptedIsSaidOfEnabledVersionsOnly.
func TestAcceptedIsSaidOfEnabledVersionsOnly(t *testing.T) {
	t.Parallel()
	for n := range kmspb.CryptoKeyVersion_CryptoKeyVersionState_name {
		v := version(keyName + "/cryptoKeyVersions/1")
		v.State = kmspb.CryptoKeyVersion_CryptoKeyVersionState(n)
		p := adapter(t, newScript(t, saying(map[string]proto.Message{"GetCryptoKeyVersion": v})))
		_, err := p.Prove(t.Context(), numbered("1"), challenge(broker.ProofAccepted, broker.AES256, broker.Encrypt))
		if v.GetState() == kmspb.CryptoKeyVersion_ENABLED != (err == nil) || err != nil && inWords(t, err).Kind != broker.Conflict {
			t.Errorf("%s: %v", v.GetState(), err)
		}
	}
}

// TestAKeyOfAnotherKindDiffers: what cannot be ours is not asked to sign.
func TestAKeyOfAnotherKindDiffers(t *testing.T) {
	t.Parallel()
	for _, id := range []kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm{
		kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384, kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_2048_SHA256, kmspb.CryptoKeyVersion_PQ_SIGN_ML_DSA_65, 0,
	} {
		key := publicKey(t)
		key.Algorithm = id
		s := newScript(t, saying(map[string]proto.Message{"GetPublicKey": key}))
		_, err := adapter(t, s).Prove(t.Context(), numbered("1"), challenge(broker.ProofPublicKey, broker.ECP256, broker.Sign))
		if inWords(t, err).Kind != broker.Differs || !slices.Equal(s.rpcs(), []string{"GetPublicKey"}) {
			t.Errorf("%s: %v after %v", id, err, s.rpcs())
		}
	}
}

// TestACipherThatIsNotGCM is refused with words, and not taken for other material.
func TestACipherThatIsNotGCM(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(codes.Internal, "reached"))
	c := challenge(broker.ProofCipher, broker.AES256, broker.RawEncrypt)
	for _, n := range []int{0, 16 + 128, len(c.Message())} {
		_, err := adapter(t, s).Prove(t.Context(), numbered("1"), c.WithCiphertext(make([]byte, n)))
		if inWords(t, err).Kind != broker.Unsupported || !strings.Contains(err.Error(), "AES-GCM") {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if len(s.asked()) > 0 {
		t.Errorf("sent %v", s.rpcs())
	}
}

// TestALevelThatGoogleHasNot is refused.
func TestALevelThatGoogleHasNot(t *testing.T) {
	t.Parallel()
	p := adapter(t, newScript(t, saying(about(keyName))))
	for _, level := range []broker.ProofLevel{broker.ProofReimport, "oath"} {
		if _, err := p.Prove(t.Context(), numbered("1"), challenge(level, broker.HMAC256, broker.MAC)); inWords(t, err).Kind != broker.Unsupported {
			t.Errorf("%s: %v", level, err)
		}
	}
}
