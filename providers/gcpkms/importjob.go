package gcpkms

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/proto"

	"github.com/keyferry/keyferry/broker"
)

// Times of import jobs. Google ends one three days after it was made; a period of two
// leaves each at least a day, and one that has less than an hour is not begun with.
const (
	jobPeriod = 48 * time.Hour
	jobMargin = time.Hour
	jobTries  = 8 // ids tried in one period
)

// methods are the mechanisms in Google's words, by size of the wrapping key.
var methods = map[int]map[broker.Mechanism]kmspb.ImportJob_ImportMethod{
	3072: {
		broker.KWPSHA256:  kmspb.ImportJob_RSA_OAEP_3072_SHA256_AES_256,
		broker.KWPSHA1:    kmspb.ImportJob_RSA_OAEP_3072_SHA1_AES_256,
		broker.OAEPSHA256: kmspb.ImportJob_RSA_OAEP_3072_SHA256,
	},
	4096: {
		broker.KWPSHA256:  kmspb.ImportJob_RSA_OAEP_4096_SHA256_AES_256,
		broker.KWPSHA1:    kmspb.ImportJob_RSA_OAEP_4096_SHA1_AES_256,
		broker.OAEPSHA256: kmspb.ImportJob_RSA_OAEP_4096_SHA256,
	},
}

// WrappingKey is that of the import job of this ring, level, method and period: found,
// or made and waited for until it is ACTIVE. Its token is the job's name.
func (p *Provider) WrappingKey(ctx context.Context, e broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
	method, ok := methods[p.c.WrappingKeyBits][in.Mechanism]
	if !ok {
		return broker.WrappingKey{}, refuse(broker.Unsupported, "fetch wrapping key for", in.Key.ID, "Google Cloud KMS knows no %s", in.Mechanism)
	}
	if err := p.ours(in.Key.ID); err != nil {
		return broker.WrappingKey{}, err
	}
	key, _, err := p.getKey(ctx, in.Key)
	if err != nil {
		return broker.WrappingKey{}, err
	}
	if level := key.GetVersionTemplate().GetProtectionLevel(); level != p.c.level() {
		return broker.WrappingKey{}, refuse(broker.Conflict, "fetch wrapping key for", in.Key.ID, "its protection level is %s", level)
	}
	job, receipt, err := p.job(ctx, e, method)
	if err != nil {
		return broker.WrappingKey{}, err
	}
	return p.wrappingKey(job, in.Mechanism, receipt)
}

// jobID is derived from all that a job is for, so that every process finds the same
// one: the method, the level, the ring, the period, and how many of it ended early.
func (p *Provider) jobID(method kmspb.ImportJob_ImportMethod, now time.Time, try int) string {
	sum := sha256.Sum256([]byte(p.c.ring()))
	word := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(method.String(), "RSA_OAEP_")), "_", "-")
	return fmt.Sprintf("keyferry-%s-%s-%d-%d-%s", word, p.c.Protection, now.UTC().Unix()/int64(jobPeriod/time.Second), try, hex.EncodeToString(sum[:4]))
}

// job is the first of the period's that lives long enough.
func (p *Provider) job(ctx context.Context, e broker.Effect, method kmspb.ImportJob_ImportMethod) (*kmspb.ImportJob, broker.Receipt, error) {
	now := p.c.Now()
	for try := range jobTries {
		name := p.c.ring() + inJobs + p.jobID(method, now, try)
		job, receipt, err := p.activeJob(ctx, e, name, method)
		if err != nil {
			return nil, receipt, err
		}
		serves, err := serves(job, now)
		if err != nil || serves {
			return job, receipt, err
		}
	}
	return nil, broker.Receipt{}, refuse(broker.Unavailable, "find import job in", p.c.ring(), "%d import jobs of this period have ended already", jobTries)
}

// serves reports whether a job can be begun with; one that has ended, or soon will,
// has a successor.
func serves(job *kmspb.ImportJob, now time.Time) (bool, error) {
	c := call{name: "GetImportJob", verb: "fetch import job", object: job.GetName()}
	switch state := job.GetState(); {
	case state == kmspb.ImportJob_EXPIRED:
		return false, nil
	case state != kmspb.ImportJob_ACTIVE:
		return false, unusable(c, fmt.Errorf("its state is %s", state))
	case job.GetExpireTime() == nil:
		return false, incomplete(c, "end")
	default:
		return job.GetExpireTime().AsTime().After(now.Add(jobMargin)), nil
	}
}

// activeJob finds or makes a job, and waits until it is no longer being made.
func (p *Provider) activeJob(ctx context.Context, e broker.Effect, name string, method kmspb.ImportJob_ImportMethod) (*kmspb.ImportJob, broker.Receipt, error) {
	job, receipt, err := p.getJob(ctx, name, method)
	if errors.Is(err, broker.NotFound) {
		job, receipt, err = p.makeJob(ctx, e, name, method)
	}
	if err != nil || job.GetState() != kmspb.ImportJob_PENDING_GENERATION {
		return job, receipt, err
	}
	err = p.poll(ctx, func(ctx context.Context) (bool, error) {
		job, receipt, err = p.getJob(ctx, name, method)
		return job.GetState() != kmspb.ImportJob_PENDING_GENERATION, err
	})
	if errors.Is(err, errNotYet) {
		err = refuse(broker.Unavailable, "wait for import job", name, "%w", err)
	}
	return job, receipt, err
}

// getJob reads a job, which must be the one that its name says.
func (p *Provider) getJob(ctx context.Context, name string, method kmspb.ImportJob_ImportMethod) (*kmspb.ImportJob, broker.Receipt, error) {
	c := call{name: "GetImportJob", verb: "fetch import job", object: name}
	job, receipt, err := invoke(ctx, p, c, p.kms.GetImportJob, &kmspb.GetImportJobRequest{Name: name})
	if err == nil {
		err = p.checkJob(c, job, name, method)
	}
	return job, receipt, err
}

// makeJob makes a job. That somebody made it in between, another process of ours, is
// as good. A lost answer is Unavailable: its name is known, and asking again finds it.
func (p *Provider) makeJob(ctx context.Context, e broker.Effect, name string, method kmspb.ImportJob_ImportMethod) (*kmspb.ImportJob, broker.Receipt, error) {
	c := call{name: "CreateImportJob", verb: "make import job", object: name, reason: e.ID()}
	job, receipt, err := invoke(ctx, p, c, p.kms.CreateImportJob, &kmspb.CreateImportJobRequest{
		Parent: p.c.ring(), ImportJobId: strings.TrimPrefix(name, p.c.ring()+inJobs),
		ImportJob: &kmspb.ImportJob{ImportMethod: method, ProtectionLevel: p.c.level()},
	})
	switch {
	case errors.Is(err, broker.Conflict):
		return p.getJob(ctx, name, method)
	case err == nil:
		err = p.checkJob(c, job, name, method)
	}
	return job, receipt, err
}

// checkJob holds a job against its name: made by somebody with another method or
// level, it is of no use, and not to be trusted.
func (p *Provider) checkJob(c call, job *kmspb.ImportJob, name string, method kmspb.ImportJob_ImportMethod) error {
	if err := p.same(c, name, job.GetName()); err != nil {
		return err
	}
	if job.GetImportMethod() != method || job.GetProtectionLevel() != p.c.level() {
		return refuse(broker.Conflict, c.verb, name, "it is for %s at level %s, %s at %s was asked: somebody else made it",
			job.GetImportMethod(), job.GetProtectionLevel(), method, p.c.level())
	}
	return nil
}

// wrappingKey is a job's, as answered; the broker checks it.
func (p *Provider) wrappingKey(job *kmspb.ImportJob, m broker.Mechanism, receipt broker.Receipt) (broker.WrappingKey, error) {
	c := call{name: "GetImportJob", verb: "fetch wrapping key of", object: job.GetName()}
	der, err := parsePEM(job.GetPublicKey().GetPem())
	if err != nil {
		return broker.WrappingKey{}, unusable(c, err)
	}
	if bits := rsaBits(der); bits != p.c.WrappingKeyBits {
		return broker.WrappingKey{}, refuse(broker.Rejected, c.verb, c.object, "it is not an RSA key of %d bits, as its method says, but has %d", p.c.WrappingKeyBits, bits)
	}
	out := broker.WrappingKey{
		PublicKey: der, Token: []byte(job.GetName()), Mechanism: m, ExpiresAt: job.GetExpireTime().AsTime(),
		Source: job.GetName(), Receipt: receipt,
	}
	if attestation := job.GetAttestation(); attestation != nil {
		if out.Attestation, err = (proto.MarshalOptions{Deterministic: true}).Marshal(attestation); err != nil {
			return broker.WrappingKey{}, unusable(c, fmt.Errorf("keep its attestation: %w", err))
		}
	}
	return out, nil
}

// parsePEM is the DER of the one public key in a text.
func parsePEM(text string) ([]byte, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" || len(block.Headers) > 0 || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("the answer has no public key in PEM")
	}
	return block.Bytes, nil
}

// rsaBits is the size of an RSA key; 0 for anything else.
func rsaBits(der []byte) int {
	if parsed, err := x509.ParsePKIXPublicKey(der); err == nil {
		if key, ok := parsed.(*rsa.PublicKey); ok {
			return key.N.BitLen()
		}
	}
	return 0
}
