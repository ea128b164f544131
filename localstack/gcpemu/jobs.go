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

// findJob finds an import job.
func (c *call) findJob(field, name string) (*job, error) {
	if _, err := parse(field, jobShape, name); err != nil {
		return nil, err
	}
	r, err := c.ring(field, parent(name))
	if err != nil {
		return nil, err
	}
	j := r.jobs[name]
	if j == nil {
		return nil, notFound("ImportJob", name)
	}
	return j, nil
}

// getImportJob counts as a read of a job whose wrapping key is not yet shown.
func getImportJob(c *call, in *kmspb.GetImportJobRequest) (*kmspb.ImportJob, error) {
	j, err := c.findJob("name", in.GetName())
	if err != nil {
		return nil, err
	}
	out, err := c.jobProto(j, in.GetPublicKeyFormat())
	if err == nil {
		j.pending.read()
	}
	return out, err
}

// jobProto shows the public key while the job is ACTIVE only.
func (c *call) jobProto(j *job, format kmspb.PublicKey_PublicKeyFormat) (*kmspb.ImportJob, error) {
	out := &kmspb.ImportJob{
		Name: j.name, ImportMethod: j.method.id, ProtectionLevel: j.level, State: j.state(c.now),
		CreateTime: timestamppb.New(j.created), ExpireTime: timestamppb.New(j.expires), PublicKeyFormat: format,
	}
	if out.GetState() == kmspb.ImportJob_PENDING_GENERATION {
		return out, nil
	}
	out.GenerateTime = timestamppb.New(j.generated)
	if out.GetState() == kmspb.ImportJob_EXPIRED {
		out.ExpireEventTime = timestamppb.New(j.expires)
		return out, nil
	}
	spki, err := j.spki()
	if err != nil {
		return nil, refuse(codes.Internal, "encode: %v", err)
	}
	out.PublicKey, err = wrappingKey(spki, format)
	if j.level == kmspb.ProtectionLevel_HSM {
		out.Attestation = c.s.root.attest(j.name, hexSum(spki))
	}
	return out, err
}

// wrappingKey is a public key in the format that was asked for, PEM if none was.
func wrappingKey(spki []byte, format kmspb.PublicKey_PublicKeyFormat) (*kmspb.ImportJob_WrappingPublicKey, error) {
	switch format {
	case kmspb.PublicKey_PUBLIC_KEY_FORMAT_UNSPECIFIED:
		return &kmspb.ImportJob_WrappingPublicKey{Pem: publicPEM(spki)}, nil
	case kmspb.PublicKey_PEM:
		return &kmspb.ImportJob_WrappingPublicKey{Data: []byte(publicPEM(spki))}, nil
	case kmspb.PublicKey_DER:
		return &kmspb.ImportJob_WrappingPublicKey{Data: spki}, nil
	}
	return nil, refuse(codes.InvalidArgument, "public_key_format %s is not for RSA", format)
}

func listImportJobs(c *call, in *kmspb.ListImportJobsRequest) (*kmspb.ListImportJobsResponse, error) {
	r, err := c.ring("parent", in.GetParent())
	if err != nil {
		return nil, err
	}
	l, err := c.choose(in, sorted(r.jobs), func(name string) map[string]any {
		j := r.jobs[name]
		return map[string]any{"name": name, "state": j.state(c.now).String(), "importMethod": j.method.id.String(), "createTime": j.created}
	})
	if err != nil {
		return nil, err
	}
	out := &kmspb.ListImportJobsResponse{NextPageToken: l.next, TotalSize: l.total}
	for _, name := range l.names {
		j, err := c.jobProto(r.jobs[name], kmspb.PublicKey_PUBLIC_KEY_FORMAT_UNSPECIFIED)
		if err != nil {
			return nil, err
		}
		out.ImportJobs = append(out.ImportJobs, j)
	}
	return out, nil
}
