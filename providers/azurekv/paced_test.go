package azurekv_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/azurekv"
	"github.com/keyferry/keyferry/providers/pace"
)

// throttledImports are refused for thirty seconds; nothing is there to be read.
func throttledImports(a asking, w http.ResponseWriter) {
	if a.action == "ImportKey" {
		w.Header().Set("Retry-After", "30")
		failing(http.StatusTooManyRequests, "Throttled", "", "too many")(a, w)
		return
	}
	failing(http.StatusNotFound, "KeyNotFound", "", "nothing")(a, w)
}

// TestAThrottledGroupWaits, at all targets of its vault, and nothing else.
func TestAThrottledGroupWaits(t *testing.T) {
	t.Parallel()
	s, at := newScript(t, throttledImports), pace.New(time.Now)
	paced := func(c *azurekv.Config) { c.Pace = at }
	one, two, unpaced := adapter(t, s, paced), adapter(t, s, paced), adapter(t, s)
	if _, err := one.Import(t.Context(), effect(broker.StepImport), s.importing()); !errors.Is(err, broker.Throttled) || inWords(t, err).RetryAfter != 30*time.Second {
		t.Fatal(err)
	}
	for _, p := range []*azurekv.Provider{one, two} {
		soon, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := p.Import(soon, effect(broker.StepImport), s.importing())
		stop()
		if e := inWords(t, err); e.Kind != broker.Throttled || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	}
	before := s.authorised()
	if got := count(before, "ImportKey"); got != 1 {
		t.Errorf("asked while it was to wait: %q", before)
	}
	if _, err := look(t, one, broker.Query{Key: new(s.ref())}); err != nil {
		t.Error(err)
	}
	if len(s.authorised()) == len(before) {
		t.Error("what has another quota waited too")
	}
	if _, err := unpaced.Import(t.Context(), effect(broker.StepImport), s.importing()); !errors.Is(err, broker.Throttled) {
		t.Error(err)
	}
	if got := s.authorised(); count(got, "ImportKey") != 2 {
		t.Errorf("asked %q", got)
	}
}

func count(words []string, word string) int {
	return len(slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w != word }))
}
