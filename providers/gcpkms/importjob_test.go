package gcpkms_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

// pool is where wrapping keys are kept between runs.
const pool = "../../.cache/wrapping-keys"

// wrappingPEM is the public key of one from the pool.
var wrappingPEM = sync.OnceValue(func() map[int]string {
	p, err := emu.NewPool(emu.PoolConfig{Dir: pool, Reuse: true})
	if err != nil {
		panic(err)
	}
	out := map[int]string{}
	for _, bits := range []int{3072, 4096} {
		key, err := p.Take(bits)
		if err != nil {
			panic(err)
		}
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			panic(err)
		}
		out[bits] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return out
})

// clock is one that can be moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// jobs is a ring with import jobs that live three days, as Google's do.
type jobs struct {
	clock *clock
	slow  int // gets until a job is ACTIVE
	alter func(*kmspb.ImportJob)

	mu   sync.Mutex
	made map[string]*kmspb.ImportJob
	gets map[string]int
}

func newJobs() *jobs {
	at := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	return &jobs{clock: &clock{at: at}, made: map[string]*kmspb.ImportJob{}, gets: map[string]int{}}
}

func (j *jobs) answer(a asking) (proto.Message, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch in := a.in.(type) {
	case *kmspb.GetCryptoKeyRequest:
		return whole(in.GetName()), nil
	case *kmspb.CreateImportJobRequest:
		name := in.GetParent() + "/importJobs/" + in.GetImportJobId()
		if j.made[name] != nil {
			return nil, status.Error(codes.AlreadyExists, name)
		}
		now := j.clock.Now()
		job := proto.CloneOf(in.GetImportJob())
		job.Name, job.CreateTime, job.ExpireTime = name, timestamppb.New(now), timestamppb.New(now.Add(72*time.Hour))
		job.State = kmspb.ImportJob_PENDING_GENERATION
		j.made[name] = job
		return j.seen(name), nil
	case *kmspb.GetImportJobRequest:
		if j.made[in.GetName()] == nil {
			return nil, status.Error(codes.NotFound, in.GetName())
		}
		j.gets[in.GetName()]++
		return j.seen(in.GetName()), nil
	default:
		return nil, status.Error(codes.Internal, a.rpc)
	}
}

// seen is a job as it is now.
func (j *jobs) seen(name string) *kmspb.ImportJob {
	out := proto.CloneOf(j.made[name])
	bits := 4096
	if strings.Contains(out.GetImportMethod().String(), "3072") {
		bits = 3072
	}
	switch {
	case !j.clock.Now().Before(out.GetExpireTime().AsTime()):
		out.State = kmspb.ImportJob_EXPIRED
	case j.gets[name] > j.slow:
		out.State = kmspb.ImportJob_ACTIVE
		out.PublicKey = &kmspb.ImportJob_WrappingPublicKey{Pem: wrappingPEM()[bits]}
		out.Attestation = &kmspb.KeyOperationAttestation{Content: []byte("attested"), CertChains: &kmspb.KeyOperationAttestation_CertificateChains{CaviumCerts: []string{"a", "b"}}}
	}
	if j.alter != nil {
		j.alter(out)
	}
	return out
}

func (j *jobs) names() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(j.made))
}

func (j *jobs) adapter(t *testing.T, change ...func(*gcpkms.Config)) (*gcpkms.Provider, *script) {
	t.Helper()
	s := newScript(t, j.answer)
	return adapter(t, s, append(change, func(c *gcpkms.Config) { c.Now = j.clock.Now })...), s
}

func fetch(ctx context.Context, p *gcpkms.Provider, m broker.Mechanism) (broker.WrappingKey, error) {
	return p.WrappingKey(ctx, effect(broker.StepFetch), broker.WrappingKeyIn{Key: *ref(), Mechanism: m})
}

// TestOneJobServesMany: a ring, level, method and period have one import job, whoever
// asks; another method, level, ring or size has another.
func TestOneJobServesMany(t *testing.T) {
	t.Parallel()
	j := newJobs()
	p, _ := j.adapter(t)
	again, _ := j.adapter(t)
	first, err := fetch(t.Context(), p, broker.KWPSHA256)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w, err := fetch(t.Context(), again, broker.KWPSHA256)
		if err != nil || w.Source != first.Source || !bytes.Equal(w.PublicKey, first.PublicKey) || !bytes.Equal(w.Attestation, first.Attestation) {
			t.Errorf("another: %s, %v", w.Source, err)
		}
	}
	if first.SingleUse || string(first.Token) != first.Source || !strings.HasPrefix(first.Source, ringName+"/importJobs/keyferry-4096-sha256-aes-256-hsm-") ||
		len(first.Attestation) == 0 || !first.ExpiresAt.Equal(j.clock.Now().Add(72*time.Hour)) || len(strings.TrimPrefix(first.Source, ringName+"/importJobs/")) > 63 {
		t.Errorf("%+v", first)
	}
	if len(j.names()) != 1 {
		t.Errorf("made %v", j.names())
	}
	for _, m := range []broker.Mechanism{broker.KWPSHA1, broker.OAEPSHA256} {
		if w, err := fetch(t.Context(), p, m); err != nil || w.Mechanism != m {
			t.Errorf("%s: %v", m, err)
		}
	}
	small, _ := j.adapter(t, func(c *gcpkms.Config) { c.WrappingKeyBits = 3072 })
	w, err := fetch(t.Context(), small, broker.KWPSHA256)
	if err != nil {
		t.Fatal(err)
	}
	if key, err := x509.ParsePKIXPublicKey(w.PublicKey); err != nil || key.(*rsa.PublicKey).N.BitLen() != 3072 {
		t.Errorf("of 3072 bits: %v", err)
	}
	if len(j.names()) != 4 {
		t.Errorf("made %v", j.names())
	}
}

// TestJobsAreReplacedInTime: whenever one is asked for in a month, it lives for a day
// more; few are made.
func TestJobsAreReplacedInTime(t *testing.T) {
	t.Parallel()
	j := newJobs()
	p, _ := j.adapter(t)
	for range 24 * 30 / 5 {
		w, err := fetch(t.Context(), p, broker.KWPSHA256)
		if err != nil {
			t.Fatal(err)
		}
		if left := w.ExpiresAt.Sub(j.clock.Now()); left < 24*time.Hour {
			t.Errorf("it has %s left", left)
		}
		j.clock.Advance(5 * time.Hour)
	}
	if n := len(j.names()); n > 16 {
		t.Errorf("%d jobs in 30 days", n)
	}
}

// TestAJobThatEndsEarly, as if somebody's clock were wrong, has a successor.
func TestAJobThatEndsEarly(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]time.Duration{"ended": -time.Minute, "nearly": 59 * time.Minute} {
		j := newJobs()
		p, _ := j.adapter(t)
		first, err := fetch(t.Context(), p, broker.KWPSHA256)
		if err != nil {
			t.Fatal(err)
		}
		j.mu.Lock()
		j.made[first.Source].ExpireTime = timestamppb.New(j.clock.Now().Add(left))
		j.mu.Unlock()
		second, err := fetch(t.Context(), p, broker.KWPSHA256)
		if err != nil || second.Source == first.Source {
			t.Errorf("%s: %s, %v", name, second.Source, err)
		}
		if third, err := fetch(t.Context(), p, broker.KWPSHA256); err != nil || third.Source != second.Source {
			t.Errorf("%s: %s, %v", name, third.Source, err)
		}
	}
}

// TestJobsThatNeverLive are not made for ever.
func TestJobsThatNeverLive(t *testing.T) {
	t.Parallel()
	j := newJobs()
	j.alter = func(job *kmspb.ImportJob) { job.State = kmspb.ImportJob_EXPIRED }
	p, s := j.adapter(t)
	if _, err := fetch(t.Context(), p, broker.KWPSHA256); inWords(t, err).Kind != broker.Unavailable {
		t.Errorf("%v", err)
	}
	if asked := len(s.asked()); asked > 30 {
		t.Errorf("asked %d times", asked)
	}
}

// TestAJobIsWaitedFor until it is ACTIVE: at most as long as the target may take.
func TestAJobIsWaitedFor(t *testing.T) {
	t.Parallel()
	j := newJobs()
	j.slow = 3
	p, _ := j.adapter(t)
	if w, err := fetch(t.Context(), p, broker.KWPSHA256); err != nil || len(w.PublicKey) == 0 {
		t.Errorf("%v", err)
	}
	j = newJobs()
	j.slow = 1 << 30
	p, _ = j.adapter(t, func(c *gcpkms.Config) { c.Settle = 50 * time.Millisecond })
	if _, err := fetch(t.Context(), p, broker.KWPSHA256); inWords(t, err).Kind != broker.Unavailable || !strings.Contains(err.Error(), "at most 50ms") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	p, _ = j.adapter(t, func(c *gcpkms.Config) { c.Settle = time.Hour })
	if _, err := fetch(ctx, p, broker.KWPSHA256); inWords(t, err).Kind != broker.Unavailable {
		t.Errorf("%v", err)
	}
}

// TestTwoMakeTheSameJob: that the other was first is as good, but only if the job is
// what was asked for.
func TestTwoMakeTheSameJob(t *testing.T) {
	t.Parallel()
	j := newJobs()
	p, s := j.adapter(t)
	var hide sync.Once
	s2 := newScript(t, func(a asking) (m proto.Message, err error) {
		if a.rpc == "GetImportJob" {
			hide.Do(func() { m, err = nil, status.Error(codes.NotFound, "not yet") })
			if err != nil {
				return nil, err
			}
		}
		return j.answer(a)
	})
	first, err := fetch(t.Context(), p, broker.KWPSHA256)
	if err != nil {
		t.Fatal(err)
	}
	late := adapter(t, s2, func(c *gcpkms.Config) { c.Now = j.clock.Now })
	if w, err := fetch(t.Context(), late, broker.KWPSHA256); err != nil || w.Source != first.Source || !slices.Contains(s2.rpcs(), "CreateImportJob") {
		t.Errorf("%s, %v after %v and %v", w.Source, err, s.rpcs(), s2.rpcs())
	}
}

// TestALostAnswerToMakingAJob is harmless: asking again finds it.
func TestALostAnswerToMakingAJob(t *testing.T) {
	t.Parallel()
	j := newJobs()
	var lost sync.Once
	s := newScript(t, func(a asking) (m proto.Message, err error) {
		m, err = j.answer(a)
		if a.rpc == "CreateImportJob" {
			lost.Do(func() { m, err = nil, status.Error(codes.Unavailable, "lost") })
		}
		return m, err
	})
	p := adapter(t, s, func(c *gcpkms.Config) { c.Now = j.clock.Now })
	if _, err := fetch(t.Context(), p, broker.KWPSHA256); inWords(t, err).Kind != broker.Unavailable {
		t.Errorf("%v", err)
	}
	if w, err := fetch(t.Context(), p, broker.KWPSHA256); err != nil || len(j.names()) != 1 {
		t.Errorf("%s, %v, made %v", w.Source, err, j.names())
	}
}

// TestJobsThatAreNotOurs or say what cannot be.
func TestJobsThatAreNotOurs(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(weak.Public())
	if err != nil {
		t.Fatal(err)
	}
	short := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for name, x := range map[string]struct {
		alter func(*kmspb.ImportJob)
		kind  broker.Kind
	}{
		"another method":  {func(j *kmspb.ImportJob) { j.ImportMethod = kmspb.ImportJob_RSA_OAEP_4096_SHA1_AES_256 }, broker.Conflict},
		"another level":   {func(j *kmspb.ImportJob) { j.ProtectionLevel = kmspb.ProtectionLevel_SOFTWARE }, broker.Conflict},
		"another name":    {func(j *kmspb.ImportJob) { j.Name += "x" }, broker.Tampered},
		"another project": {func(j *kmspb.ImportJob) { j.Name = strings.Replace(j.GetName(), project, "another-project", 1) }, broker.Tampered},
		"no name":         {func(j *kmspb.ImportJob) { j.Name = "" }, broker.Unavailable},
		"no end":          {func(j *kmspb.ImportJob) { j.ExpireTime = nil }, broker.Unavailable},
		"no key":          {func(j *kmspb.ImportJob) { j.PublicKey = nil }, broker.Unavailable},
		"text":            {func(j *kmspb.ImportJob) { j.PublicKey = &kmspb.ImportJob_WrappingPublicKey{Pem: "text"} }, broker.Unavailable},
		"another size":    {func(j *kmspb.ImportJob) { j.PublicKey = &kmspb.ImportJob_WrappingPublicKey{Pem: short} }, broker.Rejected},
		"an unknown state": {func(j *kmspb.ImportJob) {
			j.State = 77
		}, broker.Unavailable},
	} {
		j := newJobs()
		j.alter = func(job *kmspb.ImportJob) {
			if job.GetState() != kmspb.ImportJob_PENDING_GENERATION {
				x.alter(job)
			}
		}
		p, _ := j.adapter(t)
		if _, err := fetch(t.Context(), p, broker.KWPSHA256); err == nil || inWords(t, err).Kind != x.kind || len(j.names()) != 1 {
			t.Errorf("%s: %v, made %v", name, err, j.names())
		}
	}
}

// TestWrappingKeysForOtherKeys: of another level there is none, nor by a mechanism
// that Google does not know.
func TestWrappingKeysForOtherKeys(t *testing.T) {
	t.Parallel()
	j := newJobs()
	soft, _ := j.adapter(t, func(c *gcpkms.Config) { c.Protection = gcpkms.Software })
	if _, err := fetch(t.Context(), soft, broker.KWPSHA256); inWords(t, err).Kind != broker.Conflict {
		t.Errorf("a key of level HSM at a software target: %v", err)
	}
	p, s := j.adapter(t)
	if _, err := fetch(t.Context(), p, broker.OAEPSHA1); inWords(t, err).Kind != broker.Unsupported || len(s.asked()) > 0 {
		t.Errorf("OAEP with SHA-1: %v", err)
	}
}

// FuzzPEM: whatever an endpoint calls a public key, it is the DER of one PEM block and
// nothing more, or none.
func FuzzPEM(f *testing.F) {
	f.Add(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})))
	f.Add("-----BEGIN PUBLIC KEY-----\nA: b\n\neA==\n-----END PUBLIC KEY-----\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		der, err := gcpkms.ParsePEM(text)
		if err != nil {
			return
		}
		again, err := gcpkms.ParsePEM(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
		if err != nil || !bytes.Equal(again, der) || strings.Count(text, "-----BEGIN PUBLIC KEY-----") == 0 {
			t.Errorf("%q is %x, then %x, %v", text, der, again, err)
		}
	})
}
