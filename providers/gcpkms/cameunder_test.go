package gcpkms_test

import (
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// TestAVersionSaysTheJobThatItCameUnder: what a sole writer takes for his own after a
// lost answer is held against that, so it is, letter for letter, what a wrapping key
// says that it comes from; and nothing for what Google made itself.
func TestAVersionSaysTheJobThatItCameUnder(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	v, err := sent(t.Context(), e.provider, inEmulator("ours", broker.AES256, broker.Encrypt), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	w, err := e.provider.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{Key: v.Key, Mechanism: broker.OAEPSHA256})
	if err != nil {
		t.Fatal(err)
	}
	other, err := e.provider.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{Key: v.Key, Mechanism: broker.KWPSHA256})
	if err != nil {
		t.Fatal(err)
	}
	if got := e.version(t, v); w.Source == "" || got.Batch != w.Source || got.Batch == other.Source || got.Origin != broker.OriginExternal {
		t.Errorf("it came under %q, ours is %q, the other %q: %+v", got.Batch, w.Source, other.Source, got)
	}
	theirs := e.Plant(t, "", inEmulator("theirs", broker.HMAC256, broker.MAC), broker.OriginProvider)
	if got := e.version(t, broker.VersionRef{Key: theirs, ID: "1"}); got.Batch != "" || got.Origin != broker.OriginProvider {
		t.Errorf("of Google's own making: %+v", got)
	}
}

func (e *emulated) version(t *testing.T, v broker.VersionRef) broker.Observation {
	t.Helper()
	var seen []broker.Observation
	for o, err := range e.provider.Look(t.Context(), broker.Query{Version: &v}) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, o)
	}
	if len(seen) != 1 {
		t.Fatalf("of %+v there are %+v", v, seen)
	}
	return seen[0]
}
