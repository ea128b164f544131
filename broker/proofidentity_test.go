package broker_test

import (
	"context"
	"errors"
	"testing"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// parted is a target at which proofs are asked for as somebody else, if he is known.
type parted struct {
	*providers.Provider
	refused error
}

func (p parted) IdentifyProof(context.Context) (broker.Identity, error) {
	if p.refused != nil {
		return broker.Identity{}, p.refused
	}
	return broker.Identity{Account: account, Principal: "prover"}, nil
}

// Who proofs are asked for as is tried by enrol and doctor, before there is material
// that cannot be proven.
func TestTheIdentityOfProofsIsTried(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]error{
		"known": nil, "not known": &broker.Error{Kind: broker.Denied, Op: "identify as", Object: "a typo"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			w.others = []broker.Target{{
				Name: "parted", Provider: parted{targetCalled(w, "parted", quick()), refused}, Environment: "test", Genuine: true,
				Pins: map[string]string{broker.PinAccount: account},
			}}
			if _, err := w.run(nil).EnrolTarget(t.Context(), "parted", broker.Why{Reason: "test"}); !errors.Is(err, refused) {
				t.Errorf("enrol: %v", err)
			}
			want, detail := broker.FindingOK, "prover"
			if refused != nil {
				want, detail = broker.FindingFailed, "identify for proofs at target parted: "+refused.Error()
			}
			d, err := w.run(nil).Doctor(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var rows []broker.Finding
			for _, f := range d.Findings {
				if f.Check == "proof credentials" {
					rows = append(rows, f)
				}
			}
			if len(rows) != 1 || rows[0].Subject != "target parted" || rows[0].State != want || rows[0].Detail != detail {
				t.Errorf("doctor: %+v", rows)
			}
		})
	}
}
