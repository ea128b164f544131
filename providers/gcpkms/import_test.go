package gcpkms_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

func importAt(t *testing.T, p *gcpkms.Provider, in broker.ImportIn) (broker.Imported, error) {
	t.Helper()
	return p.Import(t.Context(), effect(broker.StepImport), in)
}

// pending is an import that was accepted and is not finished.
func pending() *kmspb.CryptoKeyVersion {
	v := version(keyName + "/cryptoKeyVersions/7")
	v.State = kmspb.CryptoKeyVersion_PENDING_IMPORT
	return v
}

// TestAnImportIsAccepted: it is sent whole, and once; consumers will name the version,
// or where there is a primary the key.
func TestAnImportIsAccepted(t *testing.T) {
	t.Parallel()
	s := newScript(t, saying(map[string]proto.Message{"ImportCryptoKeyVersion": pending()}))
	done, err := importAt(t, adapter(t, s), importing())
	if err != nil || done.Version != numbered("7") || done.Consumer != keyName+"/cryptoKeyVersions/7" || done.Receipt.Call != "ImportCryptoKeyVersion" {
		t.Errorf("%+v, %v", done, err)
	}
	want := &kmspb.ImportCryptoKeyVersionRequest{Parent: keyName, Algorithm: kmspb.CryptoKeyVersion_HMAC_SHA256, ImportJob: jobName, WrappedKey: []byte("wrapped")}
	if asked := s.asked(); len(asked) != 1 || !proto.Equal(asked[0].in, want) {
		t.Errorf("sent %v", asked)
	}
	v := pending()
	v.Algorithm = kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION
	in := importing()
	in.Spec, in.Of.Spec, in.Of.Purpose = broker.AES256, broker.AES256, broker.Encrypt
	done, err = importAt(t, adapter(t, newScript(t, saying(map[string]proto.Message{"ImportCryptoKeyVersion": v}))), in)
	if err != nil || done.Consumer != keyName {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestImportsByAlgorithm: what was asked of the key, or what it was made for.
func TestImportsByAlgorithm(t *testing.T) {
	t.Parallel()
	v := pending()
	v.Algorithm = kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_4096_SHA512
	in := importing()
	in.Spec, in.Of.Spec, in.Of.Purpose, in.Of.Algorithm = broker.RSA4096, broker.RSA4096, broker.Sign, v.GetAlgorithm().String()
	if _, err := importAt(t, adapter(t, newScript(t, saying(map[string]proto.Message{"ImportCryptoKeyVersion": v}))), in); err != nil {
		t.Error(err)
	}
	in.Of.Algorithm = "RSA_SIGN_RAW_PKCS1_4096"
	if _, err := importAt(t, adapter(t, newScript(t, made)), in); !errors.Is(err, broker.Unsupported) {
		t.Errorf("%v", err)
	}
	s := newScript(t, saying(about(keyName)))
	in = importing()
	in.Of = broker.PrepareIn{}
	if _, err := importAt(t, adapter(t, s), in); err != nil || !slices.Equal(s.rpcs(), []string{"GetCryptoKey", "ImportCryptoKeyVersion"}) {
		t.Errorf("of a key that is not described: %v, sent %v", err, s.rpcs())
	}
}

// TestImportsThatAreRefused before anything is sent.
func TestImportsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := newScript(t, saying(map[string]proto.Message{"GetCryptoKey": whole(keyName)}))
	p := adapter(t, s)
	for name, x := range map[string]struct {
		change func(*broker.ImportIn)
		kind   broker.Kind
	}{
		"no material":       {func(in *broker.ImportIn) { in.Wrapped = nil }, broker.Rejected},
		"much material":     {func(in *broker.ImportIn) { in.Wrapped = make([]byte, 16<<10+1) }, broker.Rejected},
		"no token":          {func(in *broker.ImportIn) { in.Token = nil }, broker.Rejected},
		"another ring":      {func(in *broker.ImportIn) { in.Token = []byte("projects/x/locations/y/keyRings/z/importJobs/j") }, broker.Rejected},
		"an end":            {func(in *broker.ImportIn) { in.ValidTo = time.Now().Add(time.Hour) }, broker.Unsupported},
		"a beginning":       {func(in *broker.ImportIn) { in.ValidFrom = time.Now() }, broker.Unsupported},
		"existing":          {func(in *broker.ImportIn) { in.Kind = broker.ImportExisting }, broker.Unsupported},
		"new in a version":  {func(in *broker.ImportIn) { in.Version = new(numbered("1")) }, broker.Misuse},
		"no version":        {func(in *broker.ImportIn) { in.Kind = broker.ImportRestore }, broker.Misuse},
		"no number":         {func(in *broker.ImportIn) { in.Kind, in.Version = broker.ImportRestore, new(numbered("x")) }, broker.Misuse},
		"another's version": {func(in *broker.ImportIn) { in.Kind, in.Version = broker.ImportRestore, &broker.VersionRef{ID: "1"} }, broker.Misuse},
		"another key":       {func(in *broker.ImportIn) { in.Key.ID = "projects/x/locations/y/keyRings/z/cryptoKeys/k" }, broker.Tampered},
	} {
		in := importing()
		x.change(&in)
		if _, err := importAt(t, p, in); inWords(t, err).Kind != x.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if slices.Contains(s.rpcs(), "ImportCryptoKeyVersion") {
		t.Errorf("sent %v", s.rpcs())
	}
}

// TestAJobThatHasEnded is Expired, so that material is wrapped again; no other refusal
// is, and no lost answer.
func TestAJobThatHasEnded(t *testing.T) {
	t.Parallel()
	active := &kmspb.ImportJob{Name: jobName, State: kmspb.ImportJob_ACTIVE, ExpireTime: timestamppb.New(time.Now().Add(time.Hour))}
	ended := &kmspb.ImportJob{Name: jobName, State: kmspb.ImportJob_EXPIRED}
	late := &kmspb.ImportJob{Name: jobName, State: kmspb.ImportJob_ACTIVE, ExpireTime: timestamppb.New(time.Now().Add(-time.Second))}
	other := &kmspb.ImportJob{Name: jobName + "2", State: kmspb.ImportJob_EXPIRED}
	for name, x := range map[string]struct {
		code codes.Code
		job  *kmspb.ImportJob // nil: not there
		kind broker.Kind
	}{
		"ended":                 {codes.FailedPrecondition, ended, broker.Expired},
		"ended, in other words": {codes.InvalidArgument, ended, broker.Expired},
		"ended a moment ago":    {codes.FailedPrecondition, late, broker.Expired},
		"active":                {codes.FailedPrecondition, active, broker.Conflict},
		"active, bad material":  {codes.InvalidArgument, active, broker.Rejected},
		"not there":             {codes.NotFound, nil, broker.Rejected},
		"the key is not there":  {codes.NotFound, active, broker.NotFound},
		"about another job":     {codes.FailedPrecondition, other, broker.Conflict},
		"lost":                  {codes.Unavailable, ended, broker.Unclear},
		"denied":                {codes.PermissionDenied, ended, broker.Denied},
		"too often":             {codes.ResourceExhausted, ended, broker.Throttled},
	} {
		s := newScript(t, func(a asking) (proto.Message, error) {
			switch {
			case a.rpc == "ImportCryptoKeyVersion":
				return nil, status.Error(x.code, "refused")
			case x.job == nil:
				return nil, status.Error(codes.NotFound, "no job")
			default:
				return x.job, nil
			}
		})
		if _, err := importAt(t, adapter(t, s), importing()); inWords(t, err).Kind != x.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMaterialComesBack only into what was destroyed, or failed, and may be imported
// again; under the algorithm that it had.
func TestMaterialComesBack(t *testing.T) {
	t.Parallel()
	in := importing()
	in.Kind, in.Version = broker.ImportRestore, new(numbered("7"))
	for name, x := range map[string]struct {
		state    kmspb.CryptoKeyVersion_CryptoKeyVersionState
		eligible bool
		kind     broker.Kind
	}{
		"destroyed":    {kmspb.CryptoKeyVersion_DESTROYED, true, ""},
		"failed":       {kmspb.CryptoKeyVersion_IMPORT_FAILED, true, ""},
		"not eligible": {kmspb.CryptoKeyVersion_DESTROYED, false, broker.Conflict},
		"enabled":      {kmspb.CryptoKeyVersion_ENABLED, true, broker.Conflict},
		"scheduled":    {kmspb.CryptoKeyVersion_DESTROY_SCHEDULED, true, broker.Conflict},
		"pending":      {kmspb.CryptoKeyVersion_PENDING_IMPORT, true, broker.Conflict},
	} {
		held, back := pending(), pending()
		held.State, held.ReimportEligible = x.state, x.eligible
		held.Algorithm, back.Algorithm = kmspb.CryptoKeyVersion_HMAC_SHA384, kmspb.CryptoKeyVersion_HMAC_SHA384
		s := newScript(t, saying(map[string]proto.Message{"GetCryptoKeyVersion": held, "ImportCryptoKeyVersion": back}))
		done, err := importAt(t, adapter(t, s), in)
		if x.kind != "" {
			if inWords(t, err).Kind != x.kind || len(s.asked()) != 1 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || done.Version != numbered("7") {
			t.Errorf("%s: %+v, %v", name, done, err)
			continue
		}
		request := s.asked()[1].in.(*kmspb.ImportCryptoKeyVersionRequest)
		if request.GetCryptoKeyVersion() != keyName+"/cryptoKeyVersions/7" || request.GetAlgorithm() != held.GetAlgorithm() {
			t.Errorf("%s: sent %v", name, request)
		}
	}
}

// TestAnswersToImportsThatCannotBe: of a key nobody knows what it holds now.
func TestAnswersToImportsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*kmspb.CryptoKeyVersion){
		"another job":       func(v *kmspb.CryptoKeyVersion) { v.ImportJob += "2" },
		"no job":            func(v *kmspb.CryptoKeyVersion) { v.ImportJob = "" },
		"another algorithm": func(v *kmspb.CryptoKeyVersion) { v.Algorithm = kmspb.CryptoKeyVersion_HMAC_SHA1 },
		"another level":     func(v *kmspb.CryptoKeyVersion) { v.ProtectionLevel = kmspb.ProtectionLevel_SOFTWARE },
	} {
		v := pending()
		change(v)
		p := adapter(t, newScript(t, saying(map[string]proto.Message{"ImportCryptoKeyVersion": v})))
		if _, err := importAt(t, p, importing()); inWords(t, err).Kind != broker.Unclear {
			t.Errorf("%s: %v", name, err)
		}
	}
}
