package gcpemu_test

import (
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

const (
	isEnabled   = kmspb.CryptoKeyVersion_ENABLED
	isDisabled  = kmspb.CryptoKeyVersion_DISABLED
	isScheduled = kmspb.CryptoKeyVersion_DESTROY_SCHEDULED
	isDestroyed = kmspb.CryptoKeyVersion_DESTROYED
	isPending   = kmspb.CryptoKeyVersion_PENDING_IMPORT
	isFailed    = kmspb.CryptoKeyVersion_IMPORT_FAILED
)

// set changes a version's state.
func (e *emulator) set(name string, s kmspb.CryptoKeyVersion_CryptoKeyVersionState) error {
	_, err := e.UpdateCryptoKeyVersion(e.Context(), &kmspb.UpdateCryptoKeyVersionRequest{
		CryptoKeyVersion: &kmspb.CryptoKeyVersion{Name: name, State: s}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"state"}},
	})
	return err
}

func (e *emulator) destroy(name string) error {
	_, err := e.DestroyCryptoKeyVersion(e.Context(), &kmspb.DestroyCryptoKeyVersionRequest{Name: name})
	return err
}

func (e *emulator) restore(name string) error {
	_, err := e.RestoreCryptoKeyVersion(e.Context(), &kmspb.RestoreCryptoKeyVersionRequest{Name: name})
	return err
}

func (e *emulator) makePrimary(key, id string) error {
	_, err := e.UpdateCryptoKeyPrimaryVersion(e.Context(), &kmspb.UpdateCryptoKeyPrimaryVersionRequest{Name: key, CryptoKeyVersionId: id})
	return err
}

// Every step of the states of versions (§3.6), from every state.
func TestStatesOfVersions(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	job := e.job("j", hybrid, soft)
	enable := func(n string) error { return e.set(n, isEnabled) }
	disable := func(n string) error { return e.set(n, isDisabled) }
	for name, tt := range map[string]struct {
		reach   []func(string) error
		state   kmspb.CryptoKeyVersion_CryptoKeyVersionState
		allowed string // of e(nable) d(isable) x(destroy) r(estore)
	}{
		"enabled":   {nil, isEnabled, "edx"},
		"disabled":  {[]func(string) error{disable}, isDisabled, "edx"},
		"scheduled": {[]func(string) error{e.destroy}, isScheduled, "r"},
		"restored":  {[]func(string) error{e.destroy, e.restore}, isDisabled, "edx"},
	} {
		for step, act := range map[string]func(string) error{"e": enable, "d": disable, "x": e.destroy, "r": e.restore} {
			v := e.bring(e.key(name+step, symmetric, soft), symmetric, job, emutest.Random(32)).GetName()
			for _, f := range tt.reach {
				if err := f(v); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			e.wantState(v, tt.state)
			err := act(v)
			if allowed := strings.Contains(tt.allowed, step); allowed != (err == nil) {
				t.Errorf("%s, %s: %v", name, step, err)
			} else if err != nil {
				refused(t, err, codes.FailedPrecondition)
				e.wantState(v, tt.state)
			}
		}
	}
}

func TestPendingAndFailedVersionsDoNothing(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	job := e.job("j", hybrid, soft)
	failed := e.bring(e.key("failed", symmetric, soft), symmetric, job, emutest.Random(31)).GetName()
	e.configure(gcpemu.Change{Settings: &gcpemu.Settings{ImportFor: 3600}})
	waiting := e.bring(e.key("waiting", symmetric, soft), symmetric, job, emutest.Random(32)).GetName()
	for name, state := range map[string]kmspb.CryptoKeyVersion_CryptoKeyVersionState{failed: isFailed, waiting: isPending} {
		for _, err := range []error{e.set(name, isEnabled), e.set(name, isDisabled), e.destroy(name), e.restore(name), e.makePrimary(name[:len(name)-len("/cryptoKeyVersions/1")], "1")} {
			refused(t, err, codes.FailedPrecondition)
		}
		_, err := e.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: name})
		refused(t, err, codes.FailedPrecondition, state.String())
		e.wantState(name, state)
	}
	e.advance(time.Hour)
	e.wantState(waiting, isEnabled)
}

func TestPendingCountsReadsOfItself(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{Settings: gcpemu.Settings{ImportReads: 2, JobReads: 1}})
	made := must(e.CreateImportJob(t.Context(), &kmspb.CreateImportJobRequest{
		Parent: ring, ImportJobId: "j", ImportJob: &kmspb.ImportJob{ImportMethod: hybrid, ProtectionLevel: soft},
	}))(t)
	get := &kmspb.GetImportJobRequest{Name: made.GetName()}
	if j := must(e.GetImportJob(t.Context(), get))(t); j.GetState() != kmspb.ImportJob_PENDING_GENERATION || j.GetPublicKey() != nil || j.GetGenerateTime() != nil {
		t.Errorf("at first %v", j)
	}
	job := must(e.GetImportJob(t.Context(), get))(t)
	v := must(e.ImportCryptoKeyVersion(t.Context(), request(t, e.key("k", symmetric, soft), symmetric, job, emutest.Random(32))))(t).GetName()
	must(e.admin.Report(t.Context()))(t)
	for _, want := range []kmspb.CryptoKeyVersion_CryptoKeyVersionState{isPending, isPending, isEnabled} {
		e.wantState(v, want)
	}
}

func TestJobsExpire(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	key, job := e.key("k", symmetric, inHSM), e.job("j", hybrid, inHSM)
	if job.GetAttestation() == nil || job.GetExpireTime().AsTime().Sub(job.GetCreateTime().AsTime()) != 72*time.Hour {
		t.Errorf("job %v", job)
	}
	e.advance(72 * time.Hour)
	old := must(e.GetImportJob(t.Context(), &kmspb.GetImportJobRequest{Name: job.GetName()}))(t)
	if old.GetState() != kmspb.ImportJob_EXPIRED || old.GetPublicKey() != nil || old.GetAttestation() != nil || old.GetExpireEventTime() == nil {
		t.Errorf("afterwards %v", old)
	}
	_, err := e.ImportCryptoKeyVersion(t.Context(), request(t, key, symmetric, job, emutest.Random(32)))
	refused(t, err, codes.FailedPrecondition, "EXPIRED")
}

func TestOneDisabledIsSaidToBe(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	v := e.bring(e.key("k", symmetric, soft), symmetric, e.job("j", hybrid, soft), emutest.Random(32)).GetName()
	if err := e.set(v, isDisabled); err != nil {
		t.Fatal(err)
	}
	_, err := e.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: v})
	refused(t, err, codes.FailedPrecondition, v+" is not enabled, current state is: DISABLED.")
	p, ok := status.Convert(err).Details()[0].(*errdetails.PreconditionFailure)
	if !ok || p.GetViolations()[0].GetType() != "KEY_DISABLED" || p.GetViolations()[0].GetSubject() != v {
		t.Errorf("details %v", status.Convert(err).Details())
	}
}

func TestPrimaryIsChosen(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	job, key := e.job("j", hybrid, soft), e.key("k", symmetric, soft)
	primary := func() string {
		return must(e.GetCryptoKey(t.Context(), &kmspb.GetCryptoKeyRequest{Name: key}))(t).GetPrimary().GetName()
	}
	e.bring(key, symmetric, job, emutest.Random(32))
	if primary() != "" {
		t.Error("an import made the primary version")
	}
	refused(t, e.makePrimary(key, "2"), codes.NotFound)
	if err := e.makePrimary(key, "1"); err != nil || primary() != key+"/cryptoKeyVersions/1" {
		t.Errorf("primary %q, %v", primary(), err)
	}
	e.bring(key, symmetric, job, emutest.Random(32))
	if err := e.set(key+"/cryptoKeyVersions/2", isDisabled); err != nil || primary() != key+"/cryptoKeyVersions/1" {
		t.Errorf("primary %q, %v", primary(), err)
	}
	refused(t, e.makePrimary(key, "2"), codes.FailedPrecondition)
	e.configure(gcpemu.Change{Settings: &gcpemu.Settings{Lenient: true}})
	if err := e.makePrimary(key, "2"); err != nil {
		t.Error(err)
	}
	mac := e.bring(e.key("m", hmac256, soft), hmac256, job, emutest.Random(32)).GetName()
	refused(t, e.makePrimary(mac[:len(mac)-len("/cryptoKeyVersions/1")], "1"), codes.FailedPrecondition)
}

func TestKeysThatCannotBe(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	for name, tt := range map[string]struct {
		spoil func(*kmspb.CreateCryptoKeyRequest)
		code  codes.Code
	}{
		"rotation": {func(r *kmspb.CreateCryptoKeyRequest) {
			r.CryptoKey.RotationSchedule = &kmspb.CryptoKey_RotationPeriod{RotationPeriod: durationpb.New(time.Hour)}
		}, codes.InvalidArgument},
		"next rotation": {func(r *kmspb.CreateCryptoKeyRequest) {
			r.CryptoKey.NextRotationTime, r.CryptoKey.ImportOnly = timestamppb.Now(), false
		}, codes.Unimplemented},
		"first version":   {func(r *kmspb.CreateCryptoKeyRequest) { r.SkipInitialVersionCreation = false }, codes.InvalidArgument},
		"no purpose":      {func(r *kmspb.CreateCryptoKeyRequest) { r.CryptoKey.Purpose = 0 }, codes.InvalidArgument},
		"encapsulation":   {func(r *kmspb.CreateCryptoKeyRequest) { r.CryptoKey.Purpose = kmspb.CryptoKey_KEY_ENCAPSULATION }, codes.Unimplemented},
		"other algorithm": {func(r *kmspb.CreateCryptoKeyRequest) { r.CryptoKey.VersionTemplate.Algorithm = p256 }, codes.InvalidArgument},
		"no algorithm": {func(r *kmspb.CreateCryptoKeyRequest) {
			r.CryptoKey.Purpose, r.CryptoKey.VersionTemplate.Algorithm = kmspb.CryptoKey_MAC, 0
		}, codes.InvalidArgument},
		"external": {func(r *kmspb.CreateCryptoKeyRequest) {
			r.CryptoKey.VersionTemplate.ProtectionLevel = kmspb.ProtectionLevel_EXTERNAL
		}, codes.Unimplemented},
		"no ring": {func(r *kmspb.CreateCryptoKeyRequest) { r.Parent += "x" }, codes.NotFound},
		"no location": {func(r *kmspb.CreateCryptoKeyRequest) {
			r.Parent = "projects/keyferry-emulator/locations/moon/keyRings/r"
		}, codes.NotFound},
		"bad id": {func(r *kmspb.CreateCryptoKeyRequest) { r.CryptoKeyId = "a.b" }, codes.InvalidArgument},
		"label":  {func(r *kmspb.CreateCryptoKeyRequest) { r.CryptoKey.Labels = map[string]string{"A": ""} }, codes.InvalidArgument},
		"short destruction": {func(r *kmspb.CreateCryptoKeyRequest) {
			r.CryptoKey.DestroyScheduledDuration = durationpb.New(time.Hour)
		}, codes.InvalidArgument},
		"long destruction": {func(r *kmspb.CreateCryptoKeyRequest) {
			r.CryptoKey.DestroyScheduledDuration = durationpb.New(1e6 * time.Hour)
		}, codes.InvalidArgument},
	} {
		r := newKey("k", symmetric, soft)
		tt.spoil(r)
		_, err := e.CreateCryptoKey(t.Context(), r)
		if status.Code(err) != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
	made := must(e.CreateCryptoKey(t.Context(), newKey("k", symmetric, soft)))(t)
	if d := made.GetDestroyScheduledDuration().AsDuration(); d != 30*24*time.Hour || !made.GetImportOnly() {
		t.Errorf("made %v", made)
	}
	_, err := e.CreateCryptoKey(t.Context(), newKey("k", p256, soft))
	refused(t, err, codes.AlreadyExists)
	_, err = e.CreateCryptoKeyVersion(t.Context(), &kmspb.CreateCryptoKeyVersionRequest{Parent: made.GetName()})
	refused(t, err, codes.FailedPrecondition, "import_only")
}

func TestKeysOfGooglesOwnMaterial(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	for _, a := range []algorithm{symmetric, p256, hmac256, kmspb.CryptoKeyVersion_RSA_SIGN_PSS_3072_SHA256, kmspb.CryptoKeyVersion_AES_128_CTR} {
		r := newKey(a.String(), a, soft)
		r.CryptoKey.ImportOnly, r.SkipInitialVersionCreation = false, false
		k := must(e.CreateCryptoKey(t.Context(), r))(t)
		if (k.GetPrimary() != nil) != (a == symmetric) {
			t.Errorf("%s: primary %v", a, k.GetPrimary())
		}
		v := must(e.CreateCryptoKeyVersion(t.Context(), &kmspb.CreateCryptoKeyVersionRequest{Parent: k.GetName()}))(t)
		if v.GetName() != k.GetName()+"/cryptoKeyVersions/2" || v.GetState() != isEnabled || v.GetGenerateTime() == nil || v.GetImportJob() != "" {
			t.Errorf("%s: %v", a, v)
		}
		_, err := e.CreateCryptoKeyVersion(t.Context(), &kmspb.CreateCryptoKeyVersionRequest{
			Parent: k.GetName(), CryptoKeyVersion: &kmspb.CryptoKeyVersion{State: isDisabled},
		})
		refused(t, err, codes.InvalidArgument)
	}
}

// What the settings of lengths and contents make of the same imports.
func TestHowImportsFailIsASetting(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	key, job := e.key("k", symmetric, soft), e.job("j", hybrid, soft)
	for setting, tt := range map[gcpemu.ImportErrors]struct{ length, contents codes.Code }{
		gcpemu.ImportFails:   {codes.OK, codes.OK},
		gcpemu.LengthRefused: {codes.InvalidArgument, codes.OK},
		gcpemu.ImportRefused: {codes.InvalidArgument, codes.InvalidArgument},
	} {
		e.configure(gcpemu.Change{Settings: &gcpemu.Settings{ImportErrors: setting}})
		for size, want := range map[int]codes.Code{384 + 41: tt.length, 384 + 40: tt.contents} {
			v, err := e.ImportCryptoKeyVersion(t.Context(), &kmspb.ImportCryptoKeyVersionRequest{
				Parent: key, Algorithm: symmetric, ImportJob: job.GetName(), WrappedKey: make([]byte, size),
			})
			if status.Code(err) != want {
				t.Errorf("%q, %d bytes: %v, want %s", setting, size, err, want)
			}
			if err == nil {
				e.wantState(v.GetName(), isFailed)
			}
		}
	}
}

func TestQuotasAreOfAPlace(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{KeyRings: []string{ring, "projects/keyferry-emulator/locations/global/keyRings/r"}})
	v := e.bring(e.key("k", symmetric, soft), symmetric, e.job("j", hybrid, soft), emutest.Random(32)).GetName()
	e.configure(gcpemu.Change{Settings: &gcpemu.Settings{Quotas: true, Rates: map[string]float64{"read": 1, "software": 1}}})
	read := func(name string) error {
		_, err := e.GetKeyRing(t.Context(), &kmspb.GetKeyRingRequest{Name: name})
		return err
	}
	for range 2 {
		if err := read(ring); err != nil {
			t.Error(err)
		}
		refused(t, read(ring), codes.ResourceExhausted, "read_usage")
		if err := read("projects/keyferry-emulator/locations/global/keyRings/r"); err != nil {
			t.Error(err)
		}
		must(e.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: v}))(t)
		_, err := e.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: v})
		refused(t, err, codes.ResourceExhausted, "software_usage")
		e.advance(time.Minute)
	}
	e.configure(gcpemu.Change{Settings: &gcpemu.Settings{Quotas: true}})
	e.fault("GetKeyRing", faults.Rule{Kind: faults.Delay, After: 0.001})
	for range 50 {
		if err := read(ring); err != nil {
			t.Fatal(err)
		}
	}
}
