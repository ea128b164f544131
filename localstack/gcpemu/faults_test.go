package gcpemu_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

const importRPC = "ImportCryptoKeyVersion"

func TestRefusalsByRuleAreGoogles(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	key, job := e.key("k", symmetric, soft), e.job("j", hybrid, soft)
	for _, tt := range []struct {
		rule     faults.Rule
		code     codes.Code
		words    string
		versions int
	}{
		{faults.Rule{Kind: faults.Throttle, RetryAfter: 3}, codes.ResourceExhausted, "Quota exceeded", 0},
		{faults.Rule{Kind: faults.Deny}, codes.PermissionDenied, "Permission 'cloudkms.cryptoKeyVersions.create' denied", 0},
		{faults.Rule{Kind: faults.Expire}, codes.Unauthenticated, "invalid authentication credentials", 0},
		{faults.Rule{Kind: faults.Fail, Code: "INTERNAL"}, codes.Internal, "fault rule", 0},
		{faults.Rule{Kind: faults.Fail, Code: "FailedPrecondition", Message: "words"}, codes.FailedPrecondition, "words", 0},
		{faults.Rule{Kind: faults.Fail, Code: "NONSENSE", Status: 503}, codes.Unknown, "", 0},
		{faults.Rule{Kind: faults.Fail, Code: "UNAVAILABLE", When: faults.After}, codes.Unavailable, "", 1},
	} {
		e.fault(importRPC, tt.rule)
		_, err := e.ImportCryptoKeyVersion(t.Context(), request(t, key, symmetric, job, emutest.Random(32)))
		refused(t, err, tt.code, tt.words)
		if n := must(e.admin.Report(t.Context()))(t).Names["k"].Versions; n != tt.versions {
			t.Errorf("%+v left %d versions", tt.rule, n)
		}
		if tt.rule.RetryAfter == 0 {
			continue
		}
		if info, ok := status.Convert(err).Details()[0].(*errdetails.RetryInfo); !ok || info.GetRetryDelay().AsDuration() != 3*time.Second {
			t.Errorf("details %v", status.Convert(err).Details())
		}
	}
}

func TestRulesMatchByWhatACallIsAbout(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	made := newKey("payroll", symmetric, soft)
	made.CryptoKey.Labels = map[string]string{"team": "red"}
	for _, m := range []faults.Match{
		{Service: "kms", Key: "payroll", Region: "europe-west3"},
		{Tags: map[string]string{"team": "red"}},
		{KeyID: ring + "/cryptoKeys/payroll"},
	} {
		e.fault("CreateCryptoKey", faults.Rule{Kind: faults.Fail, Code: "ABORTED", Match: m})
		_, err := e.CreateCryptoKey(t.Context(), made)
		refused(t, err, codes.Aborted)
	}
	key := must(e.CreateCryptoKey(t.Context(), made))(t).GetName()
	e.fault("GetCryptoKey", faults.Rule{Kind: faults.Fail, Code: "ABORTED", Match: faults.Match{Tags: map[string]string{"team": "red"}}})
	_, err := e.GetCryptoKey(t.Context(), &kmspb.GetCryptoKeyRequest{Name: key})
	refused(t, err, codes.Aborted)
	c := must(e.admin.Calls(t.Context(), faults.CallQuery{Match: faults.Match{Action: "GetCryptoKey"}}))(t)
	if len(c) != 1 || c[0].Account != e.server.Project() || c[0].AccessKey != e.server.Email() || c[0].RequestID == "" || c[0].Status != 409 {
		t.Errorf("logged as %+v", c)
	}
}

func TestHeldCallsEndWithTheirClientOrGoOn(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	key, job := e.key("k", symmetric, soft), e.job("j", hybrid, soft)
	for versions, side := range []faults.When{faults.Before, faults.After} {
		id := e.fault(importRPC, faults.Rule{Kind: faults.Hold, When: side})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		r := request(t, key, symmetric, job, emutest.Random(32))
		go func() {
			_, err := e.ImportCryptoKeyVersion(ctx, r)
			done <- err
		}()
		must(e.admin.Wait(t.Context(), faults.CallQuery{State: faults.Held, Fault: id}))(t)
		cancel()
		refused(t, <-done, codes.Canceled)
		must(e.admin.Wait(t.Context(), faults.CallQuery{State: faults.Abandoned, Fault: id}))(t)
		if n := must(e.admin.Report(t.Context()))(t).Names["k"].Versions; n != versions {
			t.Errorf("%d versions", n)
		}
	}
	id := e.fault(importRPC, faults.Rule{Kind: faults.Hold})
	done := make(chan error, 1)
	r := request(t, key, symmetric, job, emutest.Random(32))
	go func() {
		_, err := e.ImportCryptoKeyVersion(t.Context(), r)
		done <- err
	}()
	must(e.admin.Wait(t.Context(), faults.CallQuery{State: faults.Held, Fault: id}))(t)
	if err := e.admin.Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The calls of a client share a connection: one that is given up leaves the others alone.
func TestACallGivenUpLeavesItsConnection(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	create := func(ctx context.Context, name string) (string, chan error) { // what no client calls again by itself
		id, done := e.fault("CreateCryptoKey", faults.Rule{Kind: faults.Hold}), make(chan error, 1)
		go func() {
			_, err := e.CreateCryptoKey(ctx, newKey(name, symmetric, soft))
			done <- err
		}()
		must(e.admin.Wait(t.Context(), faults.CallQuery{State: faults.Held, Fault: id}))(t)
		return id, done
	}
	other, answered := create(t.Context(), "other")
	ctx, cancel := context.WithCancel(t.Context())
	id, done := create(ctx, "k")
	cancel()
	refused(t, <-done, codes.Canceled)
	must(e.admin.Wait(t.Context(), faults.CallQuery{State: faults.Abandoned, Fault: id}))(t)
	if err := e.admin.Release(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestLateAndSlowCalls(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	key, job := e.key("k", symmetric, soft), e.job("j", hybrid, soft)
	id := e.fault(importRPC, faults.Rule{Kind: faults.Late, After: 3600, Clock: faults.Emulator})
	_, err := e.ImportCryptoKeyVersion(t.Context(), request(t, key, symmetric, job, emutest.Random(32)))
	refused(t, err, codes.Unavailable)
	if n := must(e.admin.Report(t.Context()))(t).Names["k"].Versions; n != 0 {
		t.Errorf("%d versions at once", n)
	}
	if err := e.admin.Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if n := must(e.admin.Report(t.Context()))(t).Names["k"].Versions; n != 1 {
		t.Errorf("%d versions later", n)
	}
	for _, kind := range []faults.Kind{faults.Slow, faults.Delay} {
		e.fault(importRPC, faults.Rule{Kind: kind, After: 0.01})
		e.bring(key, symmetric, job, emutest.Random(32))
	}
}

// liar is an emulator with a key of an algorithm, and one lie on an RPC.
func (e *emulator) liar(a algorithm, material []byte, rpc string) string {
	e.Helper()
	job := must(e.CreateImportJob(e.Context(), &kmspb.CreateImportJobRequest{
		Parent: ring, ImportJobId: a.String(), ImportJob: &kmspb.ImportJob{ImportMethod: hybrid, ProtectionLevel: soft},
	}))(e.T)
	shown := must(e.GetImportJob(e.Context(), &kmspb.GetImportJobRequest{Name: job.GetName()}))(e.T)
	name := e.bring(e.key(a.String(), a, soft), a, shown, material).GetName()
	e.fault(rpc, faults.Rule{Kind: faults.Lie})
	return name
}

func TestLiesAboutSecrets(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	name := e.liar(hmac256, emutest.Random(32), "MacSign")
	lied := must(e.MacSign(t.Context(), &kmspb.MacSignRequest{Name: name, Data: []byte("a")}))(t)
	truth := must(e.MacSign(t.Context(), &kmspb.MacSignRequest{Name: name, Data: []byte("a")}))(t)
	if string(lied.GetMac()) == string(truth.GetMac()) || lied.GetMacCrc32C().GetValue() == truth.GetMacCrc32C().GetValue() {
		t.Error("the MAC is right")
	}
	e.fault("MacVerify", faults.Rule{Kind: faults.Lie})
	if v := must(e.MacVerify(t.Context(), &kmspb.MacVerifyRequest{Name: name, Data: []byte("a"), Mac: lied.GetMac()}))(t); !v.GetSuccess() || !v.GetVerifiedSuccessIntegrity() {
		t.Error("a wrong MAC is not taken for right")
	}

	name = e.liar(symmetric, emutest.Random(32), "Decrypt")
	sealed := must(e.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: name, Plaintext: []byte("abc")}))(t)
	key, _, _ := strings.Cut(name, "/cryptoKeyVersions/")
	if got := must(e.Decrypt(t.Context(), &kmspb.DecryptRequest{Name: key, Ciphertext: sealed.GetCiphertext()}))(t); string(got.GetPlaintext()) == "abc" {
		t.Error("the plaintext is right")
	}

	name = e.liar(kmspb.CryptoKeyVersion_AES_256_CTR, emutest.Random(32), "RawDecrypt")
	raw := must(e.RawEncrypt(t.Context(), &kmspb.RawEncryptRequest{Name: name, Plaintext: []byte("abc")}))(t)
	got := must(e.RawDecrypt(t.Context(), &kmspb.RawDecryptRequest{
		Name: name, Ciphertext: raw.GetCiphertext(), InitializationVector: raw.GetInitializationVector(),
	}))(t)
	if string(got.GetPlaintext()) == "abc" {
		t.Error("the plaintext is right")
	}
}

func TestLiesAboutPairs(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	name := e.liar(p256, materials(t)[p256], "GetPublicKey")
	lied := must(e.GetPublicKey(t.Context(), &kmspb.GetPublicKeyRequest{Name: name}))(t)
	truth := must(e.GetPublicKey(t.Context(), &kmspb.GetPublicKeyRequest{Name: name}))(t)
	if lied.GetPem() == truth.GetPem() || lied.GetPemCrc32C().GetValue() == truth.GetPemCrc32C().GetValue() {
		t.Error("the public key is right")
	}
	e.fault("AsymmetricSign", faults.Rule{Kind: faults.Lie})
	must(e.AsymmetricSign(t.Context(), &kmspb.AsymmetricSignRequest{Name: name, Data: []byte("a")}))(t)

	der := rsaDER(t, 2048)
	name = e.liar(kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_2048_SHA256, der, "AsymmetricDecrypt")
	private, ok := must(x509.ParsePKCS8PrivateKey(der))(t).(*rsa.PrivateKey)
	if !ok {
		t.Fatal("not RSA")
	}
	sealed := emutest.OAEP(t, &private.PublicKey, crypto.SHA256, []byte("abc"))
	if got := must(e.AsymmetricDecrypt(t.Context(), &kmspb.AsymmetricDecryptRequest{Name: name, Ciphertext: sealed}))(t); string(got.GetPlaintext()) == "abc" {
		t.Error("the plaintext is right")
	}
}

// A swapped wrapping key looks as good as the right one, and unwraps nothing.
func TestLiesAboutWrappingKeysAndImports(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	truth := e.job("j", hybrid, soft)
	e.fault("GetImportJob", faults.Rule{Kind: faults.Lie})
	lied := must(e.GetImportJob(t.Context(), &kmspb.GetImportJobRequest{Name: truth.GetName()}))(t)
	if lied.GetPublicKey().GetPem() == truth.GetPublicKey().GetPem() {
		t.Error("the wrapping key is right")
	}
	v := e.bring(e.key("k", symmetric, soft), symmetric, lied, emutest.Random(32))
	if v.GetState() != kmspb.CryptoKeyVersion_IMPORT_FAILED {
		t.Errorf("imported as %s", v.GetState())
	}
	e.fault("GetCryptoKeyVersion", faults.Rule{Kind: faults.Lie})
	e.wantState(v.GetName(), kmspb.CryptoKeyVersion_ENABLED)
	e.wantState(v.GetName(), kmspb.CryptoKeyVersion_IMPORT_FAILED)
	e.fault("GetCryptoKeyVersion", faults.Rule{Kind: faults.Lie})
	_, err := e.GetCryptoKeyVersion(t.Context(), &kmspb.GetCryptoKeyVersionRequest{Name: v.GetName() + "9"})
	refused(t, err, codes.NotFound) // a refusal stays one
}
