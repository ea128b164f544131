package gcpemu

import (
	"crypto/x509"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyferry/keyferry/localstack/emu"
)

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
	spki, err := x509.MarshalPKIXPublicKey(&j.private.PublicKey)
	if err != nil {
		return nil, refuse(codes.Internal, "encode: %v", err)
	}
	out.PublicKey, err = wrappingKey(spki, format)
	if j.level == kmspb.ProtectionLevel_HSM {
		out.Attestation = c.s.root.attest(j.name, emu.HexSum(spki))
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
	default:
		return nil, refuse(codes.InvalidArgument, "public_key_format %s is not for RSA", format)
	}
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
