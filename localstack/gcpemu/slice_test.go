package gcpemu_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"

	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// One pair from wrapping to a signature that its own public key verifies.
func TestAPairArrivesAndSigns(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	private, material := emutest.EC(t, elliptic.P256())
	key := e.key("payroll", p256, soft)
	v := e.bring(key, p256, e.job("j", hybrid, soft), material)
	if v.GetName() != key+"/cryptoKeyVersions/1" || v.GetState() != kmspb.CryptoKeyVersion_ENABLED {
		t.Fatalf("imported as %v", v)
	}
	public := must(e.GetPublicKey(t.Context(), &kmspb.GetPublicKeyRequest{Name: v.GetName()}))(t)
	if public.GetName() != v.GetName() || public.GetPemCrc32C() == nil {
		t.Errorf("public key %v", public)
	}
	digest := sha256.Sum256([]byte("a challenge"))
	signed := must(e.AsymmetricSign(t.Context(), &kmspb.AsymmetricSignRequest{
		Name: v.GetName(), Digest: &kmspb.Digest{Digest: &kmspb.Digest_Sha256{Sha256: digest[:]}},
	}))(t)
	if !ecdsa.VerifyASN1(&private.PublicKey, digest[:], signed.GetSignature()) {
		t.Error("the signature is another key's")
	}
	sum := sha256.Sum256(material)
	report := must(e.admin.Report(t.Context()))(t)
	if r := report.Names["payroll"]; r.Keys != 1 || r.Versions != 1 || report.Materials[hex.EncodeToString(sum[:])].Imports != 1 {
		t.Errorf("reported as %+v", report)
	}
}

// A dropped import is Unavailable to the client, whichever side of its commit.
func TestDroppedCallsAreUnavailable(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	key, job := e.key("k", symmetric, soft), e.job("j", hybrid, soft)
	for versions, r := range []faults.Rule{
		{Kind: faults.Drop},
		{Kind: faults.Drop, When: faults.After},
		{Kind: faults.Truncate},
	} {
		e.fault("ImportCryptoKeyVersion", r)
		_, err := e.ImportCryptoKeyVersion(t.Context(), request(t, key, symmetric, job, emutest.Random(32)))
		refused(t, err, codes.Unavailable)
		if n := must(e.admin.Report(t.Context()))(t).Names["k"].Versions; n != versions {
			t.Errorf("%d versions after %+v", n, r)
		}
	}
	e.bring(key, symmetric, job, emutest.Random(32))
}
