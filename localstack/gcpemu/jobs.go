package gcpemu

import (
	"crypto"
	"crypto/rsa"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// jobLife is how long an import job lives (ImportJob).
const jobLife = 3 * 24 * time.Hour

// method is one ImportMethod.
type method struct {
	id     kmspb.ImportJob_ImportMethod
	bits   int
	hash   crypto.Hash // of OAEP and its MGF1
	direct bool        // without the AES layer
}

// methods are those with RSA. What those with HPKE expect as info and framing Google
// does not document.
func methods() []method {
	return []method{
		{kmspb.ImportJob_RSA_OAEP_3072_SHA1_AES_256, 3072, crypto.SHA1, false},
		{kmspb.ImportJob_RSA_OAEP_4096_SHA1_AES_256, 4096, crypto.SHA1, false},
		{kmspb.ImportJob_RSA_OAEP_3072_SHA256_AES_256, 3072, crypto.SHA256, false},
		{kmspb.ImportJob_RSA_OAEP_4096_SHA256_AES_256, 4096, crypto.SHA256, false},
		{kmspb.ImportJob_RSA_OAEP_3072_SHA256, 3072, crypto.SHA256, true},
		{kmspb.ImportJob_RSA_OAEP_4096_SHA256, 4096, crypto.SHA256, true},
	}
}

func findMethod(id kmspb.ImportJob_ImportMethod) (method, error) {
	for _, m := range methods() {
		if m.id == id {
			return m, nil
		}
	}
	if id == kmspb.ImportJob_IMPORT_METHOD_UNSPECIFIED {
		return method{}, refuse(codes.InvalidArgument, "import_job.import_method is required")
	}
	return method{}, refuse(codes.Unimplemented, "the emulator does not model the import method %s", id)
}

// state is what the clock and the reads so far make of the job.
func (j *job) state(now time.Time) kmspb.ImportJob_ImportJobState {
	switch {
	case !now.Before(j.expires):
		return kmspb.ImportJob_EXPIRED
	case j.pending.is(now):
		return kmspb.ImportJob_PENDING_GENERATION
	}
	return kmspb.ImportJob_ACTIVE
}

// createImportJob answers before the wrapping key is shown, as Google does.
func createImportJob(c *call, in *kmspb.CreateImportJobRequest) (*kmspb.ImportJob, error) {
	r, err := c.ring("parent", in.GetParent())
	if err != nil {
		return nil, err
	}
	j, err := c.newJob(r, in)
	if err != nil {
		return nil, err
	}
	taken := refuse(codes.AlreadyExists, "ImportJob %s already exists.", j.name)
	if r.jobs[j.name] != nil {
		return nil, taken
	}
	var private *rsa.PrivateKey
	c.unlocked(func() { private, err = c.s.pool.Take(j.method.bits) })
	switch {
	case err != nil:
		return nil, refuse(codes.Internal, "generate: %v", err)
	case r.jobs[j.name] != nil:
		return nil, taken
	}
	j.private, r.jobs[j.name] = private, j
	return &kmspb.ImportJob{
		Name: j.name, ImportMethod: j.method.id, ProtectionLevel: j.level, State: kmspb.ImportJob_PENDING_GENERATION,
		CreateTime: timestamppb.New(j.created), ExpireTime: timestamppb.New(j.expires),
	}, nil
}

func (c *call) newJob(r *ring, in *kmspb.CreateImportJobRequest) (*job, error) {
	if err := checkID("import_job_id", in.GetImportJobId()); err != nil {
		return nil, err
	}
	if in.GetImportJob().GetProtectionLevel() == kmspb.ProtectionLevel_PROTECTION_LEVEL_UNSPECIFIED {
		return nil, refuse(codes.InvalidArgument, "import_job.protection_level is required")
	}
	level, err := c.level("import_job.protection_level", in.GetImportJob().GetProtectionLevel(), r.name)
	if err != nil {
		return nil, err
	}
	m, err := findMethod(in.GetImportJob().GetImportMethod())
	if err != nil {
		return nil, err
	}
	s := c.settings()
	p := newPending(s.JobReads, s.JobFor.Duration(), c.now)
	return &job{
		name: r.name + "/importJobs/" + in.GetImportJobId(), created: c.now, generated: p.until, expires: c.now.Add(jobLife),
		method: m, level: level, pending: p,
	}, nil
}
