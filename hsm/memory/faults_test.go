package memory_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/memory"
)

var errFault = errors.New("fault")

func TestFaultBeforeLeavesNothingAndAfterLeavesAll(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]bool{"before": true, "after": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			armed := true
			token := memory.New(memory.Options{Fault: func(call string, is bool) error {
				asked = append(asked, call)
				if armed && call == "Generate" && is == before {
					return errFault
				}
				return nil
			}})
			in := broker.GenerateIn{ID: broker.NewMaterialID("k", 1), Spec: broker.AES256}
			if _, err := token.Generate(t.Context(), in); !errors.Is(err, errFault) {
				t.Fatalf("%v", err)
			}
			armed = false
			n := 0
			for _, err := range token.Objects(t.Context(), broker.ObjectQuery{}) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if done := n == 1; done == before {
				t.Errorf("%d objects", n)
			}
			if !slices.Contains(asked, "Objects") {
				t.Errorf("asked only for %v", asked)
			}
		})
	}
}

func TestWhatATokenCannotDoItSays(t *testing.T) {
	t.Parallel()
	token := memory.New(memory.Options{
		Serial: "7", Mechanisms: []broker.Mechanism{broker.OAEPSHA1}, Unsupported: []broker.KeySpec{broker.Ed25519},
		Nonconforming: []broker.KeySpec{broker.ECP256}, NoDataObjects: true,
	})
	plans, err := token.Plans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plans {
		if want := p.Mechanism == broker.OAEPSHA1 && p.Spec.Secret(); p.Works != want || p.Works == (p.Reason != "") {
			t.Errorf("%+v", p)
		}
	}
	_, err = token.Generate(t.Context(), broker.GenerateIn{ID: "kf-a-1", Spec: broker.Ed25519})
	if !errors.Is(err, broker.Unsupported) {
		t.Errorf("ed25519: %v", err)
	}
	if err := token.SetAnchor(t.Context(), "x", nil); !errors.Is(err, broker.Unsupported) {
		t.Errorf("anchor: %v", err)
	}
}
