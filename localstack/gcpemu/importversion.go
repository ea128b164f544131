package gcpemu

import (
	"cmp"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"

	"github.com/keyferry/keyferry/localstack/emu"
)

// Permissions of an import. That of re-import Google does not name.
const (
	mayUseJob = "cloudkms.importJobs.useToImport"
	mayCreate = "cloudkms.cryptoKeyVersions.create"
	mayUpdate = "cloudkms.cryptoKeyVersions.update"
)

// importVersion checks shape, permissions, key, job, algorithm and version, in this
// order. What is wrong with the wrapped material shows later, unless the settings
// say otherwise.
func importVersion(c *call, in *kmspb.ImportCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	wrapped, err := checkImport(in)
	if err != nil {
		return nil, err
	}
	if err := c.allowImport(in); err != nil {
		return nil, err
	}
	k, err := c.findKey("parent", in.GetParent())
	if err != nil {
		return nil, err
	}
	j, err := c.importJob(in.GetImportJob(), k)
	if err != nil {
		return nil, err
	}
	a, err := fitting("algorithm", in.GetAlgorithm(), k.purpose)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(c.checkLevel(a, k.level), j.method.takes(a)); err != nil {
		return nil, err
	}
	v, err := c.receiver(k, a, in.GetCryptoKeyVersion())
	if err != nil {
		return nil, err
	}
	return c.bring(v, j, wrapped)
}

// checkImport is what can be refused without looking anything up. Exactly one field
// brings the wrapped material.
func checkImport(in *kmspb.ImportCryptoKeyVersionRequest) ([]byte, error) {
	if _, err := parse("parent", keyShape, in.GetParent()); err != nil {
		return nil, err
	}
	if _, err := parse("import_job", jobShape, in.GetImportJob()); err != nil {
		return nil, err
	}
	old := in.GetRsaAesWrappedKey()
	if (len(in.GetWrappedKey()) > 0) == (len(old) > 0) {
		return nil, refuse(codes.InvalidArgument, "exactly one of wrapped_key and rsa_aes_wrapped_key must be set")
	}
	if len(old) > 0 {
		return old, nil
	}
	return in.GetWrappedKey(), nil
}

// allowImport: creating versions is only required for a new one
// (ImportCryptoKeyVersionRequest.parent).
func (c *call) allowImport(in *kmspb.ImportCryptoKeyVersionRequest) error {
	on := mayCreate
	if in.GetCryptoKeyVersion() != "" {
		on = mayUpdate
	}
	return cmp.Or(c.allow(on, in.GetParent()), c.allow(mayUseJob, in.GetImportJob()))
}

// importJob is a job that can bring material into a key: ACTIVE, of the same level
// (ImportJob.protection_level), and in the same key ring. For the last Google only
// shows examples; leniently the location will do.
func (c *call) importJob(name string, k *key) (*job, error) {
	j, err := c.findJob("import_job", name)
	if err != nil {
		return nil, err
	}
	ring := parent(name)
	near := ring == k.ring.name || c.lenient() && parent(ring) == parent(k.ring.name)
	switch s := j.state(c.now); {
	case !near:
		return nil, refuse(codes.InvalidArgument, "import_job %s is not in the key ring of %s", name, k.name)
	case j.level != k.level:
		return nil, refuse(codes.InvalidArgument, "import_job %s has protection level %s, the key's version_template %s", name, j.level, k.level)
	case s != kmspb.ImportJob_ACTIVE:
		return nil, refuse(codes.FailedPrecondition, "ImportJob %s is not active, current state is: %s.", name, s)
	}
	return j, nil
}

// takes refuses RSA material without the AES layer, for which it is too long
// (ImportMethod).
func (m method) takes(a algorithm) error {
	if m.direct && a.asymmetric() && a.shape.Kind == emu.RSA {
		return refuse(codes.InvalidArgument, "%s cannot import %s", m.id, a.id)
	}
	return nil
}

// receiver is the version that the material goes into: a new one, or one made by an
// import that holds nothing now, with the algorithm it had.
func (c *call) receiver(k *key, a algorithm, name string) (*version, error) {
	if name == "" {
		return &version{name: k.next(), key: k, created: c.now, algorithm: a}, nil
	}
	if _, err := parse("crypto_key_version", versionShape, name); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(name, k.name+"/") {
		return nil, refuse(codes.InvalidArgument, "crypto_key_version %s is not of %s", name, k.name)
	}
	v := k.find(name)
	switch {
	case v == nil:
		return nil, notFound("CryptoKeyVersion", name)
	case v.job == "":
		return nil, refuse(codes.FailedPrecondition, "%s was not made by an import.", name)
	case !v.reimportable():
		return nil, v.in(destroyed, importFailed)
	case v.held != nil && v.algorithm.id != a.id:
		return nil, refuse(codes.InvalidArgument, "algorithm %s is not that of %s, which is %s", a.id, name, v.algorithm.id)
	}
	return v, nil
}

// bring puts material into a version, which shows how that went at the end of the
// pending time.
func (c *call) bring(v *version, j *job, wrapped []byte) (*kmspb.CryptoKeyVersion, error) {
	end, how := j.outcome(v, wrapped)
	if end.material == nil && how.refuses(c.settings().ImportErrors) {
		return nil, refuse(codes.InvalidArgument, "%s", end.failure)
	}
	s := c.settings()
	v.outcome, v.pending = end, newPending(s.ImportReads, s.ImportFor.Duration(), c.now)
	v.state, v.job, v.failure = pendingImport, j.name, ""
	if v.key.find(v.name) == nil {
		v.key.versions = append(v.key.versions, v)
	}
	out := c.versionProto(v, full)
	out.State, out.ImportTime, out.ImportFailureReason, out.ReimportEligible, out.Attestation = pendingImport, nil, "", false, nil
	return out, nil
}
