package gcpemu_test

import (
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

const near = "projects/keyferry-emulator/locations/europe-west3/keyRings/near"

// What is seen of an import at once, whatever the material.
func TestImportsAreRefused(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{KeyRings: []string{ring, near}})
	job, key := e.job("j", hybrid, soft), e.key("k", symmetric, soft)
	inHSMJob := e.job("hsm", hybrid, inHSM).GetName()
	rsaKey := e.key("r", kmspb.CryptoKeyVersion_RSA_SIGN_PSS_2048_SHA256, soft)
	other := must(e.CreateImportJob(t.Context(), &kmspb.CreateImportJobRequest{
		Parent: near, ImportJobId: "j", ImportJob: &kmspb.ImportJob{ImportMethod: hybrid, ProtectionLevel: soft},
	}))(t).GetName()
	good := request(t, key, symmetric, job, emutest.Random(32))
	for name, tt := range map[string]struct {
		spoil func(*kmspb.ImportCryptoKeyVersionRequest)
		code  codes.Code
	}{
		"another level":         {func(r *kmspb.ImportCryptoKeyVersionRequest) { r.ImportJob = inHSMJob }, codes.InvalidArgument},
		"another ring":          {func(r *kmspb.ImportCryptoKeyVersionRequest) { r.ImportJob = other }, codes.InvalidArgument},
		"no job":                {func(r *kmspb.ImportCryptoKeyVersionRequest) { r.ImportJob += "x" }, codes.NotFound},
		"a job by another name": {func(r *kmspb.ImportCryptoKeyVersionRequest) { r.ImportJob = key }, codes.InvalidArgument},
		"no key":                {func(r *kmspb.ImportCryptoKeyVersionRequest) { r.Parent += "x" }, codes.NotFound},
		"a key by another name": {func(r *kmspb.ImportCryptoKeyVersionRequest) { r.Parent = ring }, codes.InvalidArgument},
		"another purpose":       {func(r *kmspb.ImportCryptoKeyVersionRequest) { r.Algorithm = p256 }, codes.InvalidArgument},
		"no algorithm":          {func(r *kmspb.ImportCryptoKeyVersionRequest) { r.Algorithm = 0 }, codes.InvalidArgument},
		"nothing wrapped":       {func(r *kmspb.ImportCryptoKeyVersionRequest) { r.WrappedKey = nil }, codes.InvalidArgument},
		"wrapped twice": {func(r *kmspb.ImportCryptoKeyVersionRequest) {
			r.WrappedKeyMaterial = &kmspb.ImportCryptoKeyVersionRequest_RsaAesWrappedKey{RsaAesWrappedKey: r.GetWrappedKey()}
		}, codes.InvalidArgument},
		"a version of another key": {func(r *kmspb.ImportCryptoKeyVersionRequest) { r.CryptoKeyVersion = rsaKey + "/cryptoKeyVersions/1" }, codes.InvalidArgument},
		"no version":               {func(r *kmspb.ImportCryptoKeyVersionRequest) { r.CryptoKeyVersion = key + "/cryptoKeyVersions/9" }, codes.NotFound},
		"RSA directly": {func(r *kmspb.ImportCryptoKeyVersionRequest) {
			r.Parent, r.Algorithm = rsaKey, kmspb.CryptoKeyVersion_RSA_SIGN_PSS_2048_SHA256
			r.ImportJob = e.job("direct", direct, soft).GetName()
		}, codes.InvalidArgument},
	} {
		r := &kmspb.ImportCryptoKeyVersionRequest{Parent: key, Algorithm: symmetric, ImportJob: job.GetName(), WrappedKey: good.GetWrappedKey()}
		tt.spoil(r)
		if _, err := e.ImportCryptoKeyVersion(t.Context(), r); status.Code(err) != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
	if r := must(e.admin.Report(t.Context()))(t); len(r.Materials) != 0 {
		t.Errorf("something was imported: %+v", r.Materials)
	}
	must(e.ImportCryptoKeyVersion(t.Context(), good))(t)
}

// Lengths that show before unwrapping, in the order in which they are looked at.
func TestLengthsThatCannotBe(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{Settings: gcpemu.Settings{ImportErrors: gcpemu.LengthRefused}})
	hybridJob, directJob := e.job("h", hybrid, soft).GetName(), e.job("d", direct, soft).GetName()
	for _, tt := range []struct {
		algorithm algorithm
		job       string
		size      int
		words     string
	}{
		{symmetric, hybridJob, 384 + 8, "too short"},
		{symmetric, hybridJob, 384 + 41, "64-bit blocks"},
		{symmetric, hybridJob, 384 + 48, "invalid length"},
		{symmetric, directJob, 385, "invalid length"},
		{p256, hybridJob, 384 + 16, "Wrapped ECDSA key has invalid length of 16"},
		{p256, hybridJob, 384 + 400, "Wrapped ECDSA key has invalid length of 400"},
	} {
		_, err := e.CreateCryptoKey(t.Context(), newKey(tt.algorithm.String(), tt.algorithm, soft))
		if err != nil && status.Code(err) != codes.AlreadyExists {
			t.Fatal(err)
		}
		_, err = e.ImportCryptoKeyVersion(t.Context(), &kmspb.ImportCryptoKeyVersionRequest{
			Parent: ring + "/cryptoKeys/" + tt.algorithm.String(), Algorithm: tt.algorithm, ImportJob: tt.job, WrappedKey: make([]byte, tt.size),
		})
		refused(t, err, codes.InvalidArgument, tt.words)
	}
}

func TestReimportRefusesWhatHoldsMaterialAndOtherAlgorithms(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	const pss, pkcs1 = kmspb.CryptoKeyVersion_RSA_SIGN_PSS_2048_SHA256, kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_2048_SHA256
	key, material := e.key("k", pss, soft), rsaDER(t, 2048)
	v := e.bring(key, pss, e.job("before", hybrid, soft), material).GetName()
	again := func(job string, a algorithm) error {
		j := must(e.GetImportJob(t.Context(), &kmspb.GetImportJobRequest{Name: ring + "/importJobs/" + job}))(t)
		r := request(t, key, a, j, material)
		r.CryptoKeyVersion = v
		_, err := e.ImportCryptoKeyVersion(t.Context(), r)
		return err
	}
	refused(t, again("before", pss), codes.FailedPrecondition, "ENABLED")
	if err := e.destroy(v); err != nil {
		t.Fatal(err)
	}
	refused(t, again("before", pss), codes.FailedPrecondition, "DESTROY_SCHEDULED")
	e.advance(30 * 24 * time.Hour)
	e.job("after", hybrid, soft)
	refused(t, again("after", pkcs1), codes.InvalidArgument, "RSA_SIGN_PSS_2048_SHA256")
	if err := again("after", pss); err != nil {
		t.Error(err)
	}
	e.wantState(v, isEnabled)
}

// An import needs both of its permissions, and nothing else.
func TestPermissionsOfAnImport(t *testing.T) {
	t.Parallel()
	e := start(t, withHelper())
	r := request(t, e.key("k", symmetric, soft), symmetric, e.job("j", hybrid, soft), emutest.Random(32))
	limited := client(t, e.server, helper)
	both := []string{"cloudkms.cryptoKeyVersions.create", "cloudkms.importJobs.useToImport"}
	for i, missing := range both {
		e.configure(gcpemu.Change{Principals: []gcpemu.Principal{{Email: helper, Permissions: []string{both[1-i]}}}})
		_, err := limited.ImportCryptoKeyVersion(t.Context(), r)
		refused(t, err, codes.PermissionDenied, "Permission '"+missing+"' denied on resource")
	}
	e.configure(gcpemu.Change{Principals: []gcpemu.Principal{{Email: helper, Permissions: both}}})
	must(limited.ImportCryptoKeyVersion(t.Context(), r))(t)
}
