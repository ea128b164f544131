package awskms_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/providers/awskms"
	"github.com/keyferry/keyferry/providers/pace"
)

// throttling answers that for so many seconds, and that there is no such key to
// everything else.
func throttling(actions ...string) func(string, http.ResponseWriter) {
	return func(action string, w http.ResponseWriter) {
		code := "NotFoundException"
		if slices.Contains(actions, action) {
			w.Header().Set("Retry-After", "30")
			code = "ThrottlingException"
		}
		failing(http.StatusBadRequest, code, "no")(action, w)
	}
}

func fetch(ctx context.Context, p *awskms.Provider) error {
	_, err := p.WrappingKey(ctx, effect(broker.StepFetch), broker.WrappingKeyIn{Key: ref(), Mechanism: broker.OAEPSHA256})
	return err
}

// TestAThrottledGroupWaits, at all targets of its account and region, and nothing else.
func TestAThrottledGroupWaits(t *testing.T) {
	t.Parallel()
	s, place := newScript(t, throttling("GetParametersForImport")), pace.New(time.Now)
	paced := func(c *awskms.Config) { c.Pace = place }
	one, two, unpaced := adapter(t, s.URL, paced), adapter(t, s.URL, paced), adapter(t, s.URL)
	if err := fetch(t.Context(), one); !errors.Is(err, broker.Throttled) || inWords(t, err).RetryAfter != 30*time.Second {
		t.Fatal(err)
	}
	for _, p := range []*awskms.Provider{one, two} {
		soon, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := fetch(soon, p)
		stop()
		if got := inWords(t, err); got.Kind != broker.Throttled || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	}
	if got := s.asked(); len(got) != 1 {
		t.Fatalf("asked while it was to wait: %q", got)
	}
	for o, err := range one.Look(t.Context(), broker.Query{Key: new(ref())}) {
		t.Errorf("seen is %+v, %v", o, err)
	}
	if err := fetch(t.Context(), unpaced); !errors.Is(err, broker.Throttled) {
		t.Error(err)
	}
	if got := s.asked(); !slices.Equal(got, []string{"GetParametersForImport", "DescribeKey", "GetParametersForImport"}) {
		t.Errorf("asked %q", got)
	}
}

// TestEveryTryOfARead waits: what the SDK repeats is a call like any other.
func TestEveryTryOfAReadWaits(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(http.StatusInternalServerError, "KMSInternalException", "passing"))
	p := adapter(t, s.URL, func(c *awskms.Config) {
		c.Pace, c.Quotas = pace.New(time.Now), map[string]float64{"DescribeKey": 0.001}
	})
	soon, stop := context.WithTimeout(t.Context(), 4*time.Second) // the pacer leaves half of it
	defer stop()
	for _, err := range p.Look(soon, broker.Query{Key: new(ref())}) {
		if !errors.Is(err, broker.Throttled) {
			t.Error(err)
		}
	}
	if got := s.asked(); len(got) != 1 {
		t.Errorf("asked %q", got)
	}
}

// TestWhatWaitedIsSignedAfterwards: a date of before would be refused.
func TestWhatWaitedIsSignedAfterwards(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	var mu sync.Mutex
	var dates []string
	s := newScript(t, failing(http.StatusBadRequest, "NotFoundException", "no"))
	s.header = func(h http.Header) {
		mu.Lock()
		defer mu.Unlock()
		dates = append(dates, h.Get("X-Amz-Date"))
	}
	p := adapter(t, s.URL, func(c *awskms.Config) {
		c.Now, c.Pace, c.Quotas = now, pace.New(time.Now), map[string]float64{"GetParametersForImport": 2}
	})
	time.AfterFunc(100*time.Millisecond, func() { ahead.Store(int64(time.Hour)) })
	for range 3 { // two may leave at once, and the third waits
		_ = fetch(t.Context(), p)
	}
	mu.Lock()
	defer mu.Unlock()
	last, err := time.Parse("20060102T150405Z", dates[len(dates)-1])
	if err != nil || time.Until(last) < 50*time.Minute {
		t.Errorf("signed at %v, %v", dates, err)
	}
}

// TestAtTheQuota the emulator throttles nothing: a crowd of 80 at twenty a second.
func TestAtTheQuota(t *testing.T) {
	t.Parallel()
	const n, times = 80, 20
	e := emulate(t, func(_ *emulated, c *awskms.Config) {
		c.WrappingKeyBits, c.Pace, c.Quotas = 2048, pace.New(time.Now), map[string]float64{"GetParametersForImport": times}
	})
	made, err := e.provider.Prepare(t.Context(), effect(broker.StepPrepare), hmacKey())
	if err != nil {
		t.Fatal(err)
	}
	e.configure(t, awsemu.Settings{Quotas: true, Rates: map[string]float64{"GetParametersForImport": times}})
	start := time.Now()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			_, err := e.provider.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{Key: made.Key, Mechanism: broker.OAEPSHA256})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if took, least := time.Since(start), (n-times)*time.Second/times; took < least {
		t.Errorf("%d took %s, and the quota allows no less than %s", n, took, least)
	}
}

// TestAReplicaIsTakenFromTwoQuotas: that of ReplicateKey where its primary is, and
// twice that of CreateKey where it will be.
func TestAReplicaIsTakenFromTwoQuotas(t *testing.T) {
	t.Parallel()
	s, here, there := newScript(t, throttling("ReplicateKey")), pace.New(time.Now), pace.New(time.Now)
	replica := adapter(t, s.URL, func(c *awskms.Config) {
		c.PrimaryRegion, c.Pace, c.PrimaryPace = "eu-central-1", here, there
	})
	in := hmacKey()
	in.Replica = &broker.KeyRef{ID: "arn:aws:kms:eu-central-1:" + account + ":key/mrk-0123456789abcdef0123456789abcdef"}
	if _, err := replica.Prepare(t.Context(), effect(broker.StepPrepare), in); !errors.Is(err, broker.Throttled) {
		t.Fatal(err)
	}
	quotas := replica.Capabilities().Quotas
	for name, c := range map[string]struct {
		place *pace.Place
		call  string
		waits bool
	}{
		"keys in the replica's region":      {here, "CreateKey", true},
		"replicas of keys there":            {there, "ReplicateKey", true},
		"keys in the primary's region":      {there, "CreateKey", false},
		"materials in the replica's region": {here, "ImportKeyMaterial", false},
	} {
		soon, stop := t.Context(), func() {}
		if c.waits {
			soon, stop = context.WithTimeout(soon, 20*time.Millisecond)
		}
		err := c.place.Pacer(quotas).Wait(soon, c.call)
		stop()
		if (err != nil) != c.waits {
			t.Errorf("%s: %v", name, err)
		}
	}
}
