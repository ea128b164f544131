package gcpkms_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/gcpkms"
	"github.com/keyferry/keyferry/providers/pace"
)

// throttledWrites are refused for so long; nothing is there to be read.
func throttledWrites(t *testing.T, after time.Duration) answering {
	t.Helper()
	refused, err := status.New(codes.ResourceExhausted, "Quota exceeded").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	if err != nil {
		t.Fatal(err)
	}
	return func(a asking) (proto.Message, error) {
		if a.rpc == "CreateCryptoKey" {
			return nil, refused.Err()
		}
		return failing(codes.NotFound, "nothing")(a)
	}
}

// TestAThrottledGroupWaits, at all targets of its project and location, and nothing else.
func TestAThrottledGroupWaits(t *testing.T) {
	t.Parallel()
	s, at := newScript(t, throttledWrites(t, 30*time.Second)), pace.New(time.Now)
	paced := func(c *gcpkms.Config) { c.Pace = at }
	one, two, unpaced := adapter(t, s, paced), adapter(t, s, paced), adapter(t, s)
	if err := prepare(t, one); !errors.Is(err, broker.Throttled) || inWords(t, err).RetryAfter != 30*time.Second {
		t.Fatal(err)
	}
	for _, p := range []*gcpkms.Provider{one, two} {
		soon, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := p.Prepare(soon, effect(broker.StepPrepare), macKey())
		stop()
		if e := inWords(t, err); e.Kind != broker.Throttled || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	}
	if _, err := look(t, one, broker.Query{Key: ref()}); err != nil {
		t.Error(err)
	}
	if err := prepare(t, unpaced); !errors.Is(err, broker.Throttled) {
		t.Error(err)
	}
	if got := s.rpcs(); !slices.Equal(got, []string{"CreateCryptoKey", "GetCryptoKey", "CreateCryptoKey"}) {
		t.Errorf("asked %q", got)
	}
}

// dated is a source of tokens that says when they were asked for.
type dated struct{ at chan time.Time }

func (d dated) Token(context.Context) (*auth.Token, error) {
	d.at <- time.Now()
	return &auth.Token{Value: "token"}, nil
}

// TestWhatWaitedAsksForItsTokenAfterwards: one of before may have ended.
func TestWhatWaitedAsksForItsTokenAfterwards(t *testing.T) {
	t.Parallel()
	const pause = 300 * time.Millisecond
	s, tokens := newScript(t, throttledWrites(t, pause)), dated{make(chan time.Time, 2)}
	p := adapter(t, s, func(c *gcpkms.Config) { c.Pace, c.Tokens = pace.New(time.Now), tokens })
	for range 2 {
		if err := prepare(t, p); !errors.Is(err, broker.Throttled) {
			t.Fatal(err)
		}
	}
	if first, second := <-tokens.at, <-tokens.at; second.Sub(first) < pause {
		t.Errorf("the second token was asked for after %s", second.Sub(first))
	}
}
