package broker_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// The token is told once of each key of a list that nothing more is done with it: when it
// has ended, and not while its proof, which comes after the last import, still needs it.
func TestTheTokenMayForgetWhatHasEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	var mu sync.Mutex
	var released, imports, early int
	w.inject = func(call string, before bool) error {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case before:
		case call == "target import":
			imports++
		case call == "token Release":
			if released++; imports <= 4 { // four bring the keys, and the fifth proves the first of them
				early++
			}
		}
		return nil
	}
	var reqs []broker.ImportRequest
	for i := range 4 {
		reqs = append(reqs, broker.ImportRequest{Name: fmt.Sprintf("k%d", i), Spec: broker.AES256, Targets: []string{"cloud"}})
	}
	for o := range w.run(nil).ImportEach(t.Context(), reqs, 2) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	if imports != 8 || released != 4 || early != 0 {
		t.Errorf("%d imports, %d times released, %d of them before it was proven", imports, released, early)
	}
}

// One that failed is not needed either: whoever goes on looks for it anew.
func TestTheTokenMayForgetWhatFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	released := 0
	w.inject = func(call string, before bool) error {
		if call == "token Release" && before {
			released++
		}
		if call == "target import" && before {
			return broker.Denied
		}
		return nil
	}
	if _, err := w.run(nil).Import(t.Context(), broker.ImportRequest{Name: "k", Spec: broker.AES256, Targets: []string{"cloud"}}); err == nil || released != 1 {
		t.Errorf("%v, %d times released", err, released)
	}
}
