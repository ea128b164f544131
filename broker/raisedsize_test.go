package broker_test

import (
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// growing is a world with a target that keeps wrapping keys: the first that it makes
// has 2048 bits, the second 3072.
func growing(t *testing.T) *world {
	t.Helper()
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	large, err := wrappingKeys()
	if err != nil {
		t.Fatal(err)
	}
	w := bareWorld(t, quick())
	p, err := providers.New(providers.Config{
		Account: account, Capabilities: newest(), WrappingKeys: []*rsa.PrivateKey{small, large[0]}, Now: func() time.Time { return w.now },
		Fault: func(call string, committed bool) error { return w.fault("newest "+call, !committed) },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.others = []broker.Target{{
		Name: "newest", Provider: p, Environment: "test", Genuine: true, Pins: map[string]string{broker.PinAccount: account, "region": "there"},
	}}
	w.enrol()
	return w
}

// cameUnder is the fingerprint of the wrapping key that a key was imported under.
func (w *world) cameUnder(t *testing.T, name string) string {
	t.Helper()
	return w.imported(t, intoVault(name)).Key.Placements[0].Transport.Fingerprint
}

func (w *world) keptKeys(t *testing.T) []broker.KeptWrappingKey {
	t.Helper()
	kept, err := w.run(nil).TargetWrappingKeys(t.Context(), "newest")
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// Larger wrapping keys are demanded than the one that is kept: its use ends, on record
// and for good, and nothing more comes under it.
func TestARaisedSizeEndsAKeptWrappingKey(t *testing.T) {
	t.Parallel()
	w := growing(t)
	first := w.cameUnder(t, "a")
	if again := w.cameUnder(t, "b"); again != first {
		t.Fatalf("b came under %s, a under %s", again, first)
	}
	w.others[0].WrappingKey.MinBits = 3072
	w.now = w.now.Add(time.Minute)
	second := w.cameUnder(t, "c")
	kept := w.keptKeys(t)
	if len(kept) != 2 || kept[0].Fingerprint != second || kept[1].Fingerprint != first || second == first {
		t.Fatalf("c came under %s, kept are %+v", second, kept)
	}
	if kept[0].Ended != "" || !strings.Contains(kept[1].Ended, "it has 2048 bits, and 3072 are demanded now") {
		t.Errorf("ended: %q and %q", kept[0].Ended, kept[1].Ended)
	}
	w.others[0].WrappingKey.MinBits = 0
	if now := w.cameUnder(t, "d"); now != second || len(w.keptKeys(t)) != 2 {
		t.Errorf("d came under %s, c under %s; kept are %+v", now, second, w.keptKeys(t))
	}
	w.auditHolds(t)
}

// One that is as large as is demanded stays in use.
func TestASizeThatIsMetEndsNothing(t *testing.T) {
	t.Parallel()
	w := growing(t)
	first := w.cameUnder(t, "a")
	w.others[0].WrappingKey.MinBits = 2048
	if again := w.cameUnder(t, "b"); again != first || w.keptKeys(t)[0].Ended != "" {
		t.Errorf("b came under %s, a under %s; kept are %+v", again, first, w.keptKeys(t))
	}
}
