package gcpkms_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyferry/keyferry/broker"
)

// taken answers CreateCryptoKey with ALREADY_EXISTS, and everything else about that
// key.
func taken(key *kmspb.CryptoKey, versions ...*kmspb.CryptoKeyVersion) answering {
	return func(a asking) (proto.Message, error) {
		switch a.rpc {
		case "CreateCryptoKey":
			return nil, status.Error(codes.AlreadyExists, "it is there")
		case "GetCryptoKey":
			return key, nil
		default:
			return &kmspb.ListCryptoKeyVersionsResponse{CryptoKeyVersions: versions}, nil
		}
	}
}

// TestAKeyThatIsThere is ours only as it would be made now, and empty: what differs is
// said, and nothing is changed.
func TestAKeyThatIsThere(t *testing.T) {
	t.Parallel()
	at := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	for name, change := range map[string]func(*kmspb.CryptoKey){
		"":                           func(*kmspb.CryptoKey) {},
		"its labels differ":          func(k *kmspb.CryptoKey) { k.Labels["team"] = "payments" },
		"keyferry-effect":            func(k *kmspb.CryptoKey) { k.Labels["keyferry-effect"] = "kf-0" },
		"keyferry-key-id":            func(k *kmspb.CryptoKey) { delete(k.Labels, "keyferry-key-id") },
		"purpose":                    func(k *kmspb.CryptoKey) { k.Purpose = kmspb.CryptoKey_ENCRYPT_DECRYPT },
		"algorithm":                  func(k *kmspb.CryptoKey) { k.VersionTemplate.Algorithm = kmspb.CryptoKeyVersion_HMAC_SHA512 },
		"protection level":           func(k *kmspb.CryptoKey) { k.VersionTemplate.ProtectionLevel = kmspb.ProtectionLevel_SOFTWARE },
		"imported versions only":     func(k *kmspb.CryptoKey) { k.ImportOnly = false },
		"destroy_scheduled_duration": func(k *kmspb.CryptoKey) { k.DestroyScheduledDuration = durationpb.New(24 * time.Hour) },
		"no template":                func(k *kmspb.CryptoKey) { k.VersionTemplate = nil },
		"before it was asked for":    func(k *kmspb.CryptoKey) { k.CreateTime = timestamppb.New(at.Add(-6 * time.Minute)) },
	} {
		key := whole(keyName)
		key.CreateTime = timestamppb.New(at.Add(-4 * time.Minute))
		change(key)
		s := newScript(t, taken(key))
		in := macKey()
		in.At = at
		found, err := adapter(t, s).Prepare(t.Context(), effect(broker.StepPrepare), in)
		if name == "" {
			if err != nil || found.Key != *ref() {
				t.Errorf("as it is: %v, %v", found, err)
			}
			continue
		}
		e := inWords(t, err)
		if e.Kind != broker.Conflict || name != "no template" && !strings.Contains(e.Error(), name) || !strings.Contains(e.Hint, "another name") {
			t.Errorf("%s: %v (%s)", name, e, e.Hint)
		}
		for _, rpc := range s.rpcs()[1:] {
			if !strings.HasPrefix(rpc, "Get") && !strings.HasPrefix(rpc, "List") {
				t.Errorf("%s: %s was sent", name, rpc)
			}
		}
	}
}

func TestAKeyThatIsThereWithVersions(t *testing.T) {
	t.Parallel()
	p := adapter(t, newScript(t, taken(whole(keyName), version(keyName+"/cryptoKeyVersions/1"))))
	if err := prepare(t, p); inWords(t, err).Kind != broker.Conflict || !strings.Contains(err.Error(), "it has versions") {
		t.Errorf("%v", err)
	}
	untimed := whole(keyName)
	untimed.CreateTime = nil
	if err := prepare(t, adapter(t, newScript(t, taken(untimed)))); inWords(t, err).Kind != broker.Unclear {
		t.Errorf("no time: %v", err)
	}
}

// TestAKeyMadeOtherwise than it was asked for is nobody's to use.
func TestAKeyMadeOtherwise(t *testing.T) {
	t.Parallel()
	key := whole(keyName)
	key.ImportOnly = false
	p := adapter(t, newScript(t, saying(map[string]proto.Message{"CreateCryptoKey": key})))
	if err := prepare(t, p); inWords(t, err).Kind != broker.Conflict || !strings.Contains(err.Error(), "imported versions only") {
		t.Errorf("%v", err)
	}
}

// TestAFurtherVersion goes into the key of the one before, which must still be ours.
func TestAFurtherVersion(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*kmspb.CryptoKey){
		"":                 func(k *kmspb.CryptoKey) { k.Labels["keyferry-effect"] = "of the first version" },
		"keyferry-key-id":  func(k *kmspb.CryptoKey) { k.Labels = nil },
		"purpose":          func(k *kmspb.CryptoKey) { k.Purpose = kmspb.CryptoKey_ASYMMETRIC_SIGN },
		"protection level": func(k *kmspb.CryptoKey) { k.VersionTemplate.ProtectionLevel = kmspb.ProtectionLevel_SOFTWARE },
		"imported":         func(k *kmspb.CryptoKey) { k.ImportOnly = false },
	} {
		key := whole(keyName)
		change(key)
		s := newScript(t, saying(map[string]proto.Message{"GetCryptoKey": key}))
		in := macKey()
		in.Mode, in.Prior, in.Number, in.RemoteName = broker.SameKey, new(numbered("1")), 2, ""
		found, err := adapter(t, s).Prepare(t.Context(), effect(broker.StepPrepare), in)
		if name == "" && (err != nil || found.Key != *ref()) {
			t.Errorf("%v, %v", found, err)
		}
		if name != "" && (inWords(t, err).Kind != broker.Conflict || !strings.Contains(err.Error(), name)) {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(s.rpcs(), []string{"GetCryptoKey"}) {
			t.Errorf("%s: sent %v", name, s.rpcs())
		}
	}
}
