package broker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TokenForecast is what the token takes to make material of one kind, as far as earlier
// imports on record tell.
type TokenForecast struct {
	Spec    KeySpec `json:"spec"`
	Wrapped bool    `json:"wrapped"` // retain: wrapped, which makes it in another way
	Keys    int     `json:"keys"`    // to be made
	// Imports on record that the figure is from; 0 there are none, and no figure.
	Imports int       `json:"imports"`
	FirstAt time.Time `json:"first_at,omitzero"` // when the first of them had its material
	LastAt  time.Time `json:"last_at,omitzero"`
	Each    float64   `json:"seconds_each"` // seconds a key: a record is written in them
	Seconds float64   `json:"seconds"`
}

// making is a kind of material that takes its own time to be made.
type making struct {
	spec    KeySpec
	wrapped bool
}

func (m making) String() string {
	if m.wrapped {
		return string(m.spec) + " kept wrapped"
	}
	return string(m.spec)
}

// latestOperations is how many are looked at for what the token took: it may be faster,
// or busier, than it was long ago.
const latestOperations = 400

// tokenForecasts are those of all kinds that are planned.
func (b *Broker) tokenForecasts(ctx context.Context, plans []Intended) ([]TokenForecast, error) {
	out := []TokenForecast{}
	keys := map[making]int{}
	for _, p := range plans {
		if !p.Done && p.Object == "" {
			keys[p.making()]++
		}
	}
	if len(keys) == 0 {
		return out, nil
	}
	took, err := b.madeBefore(ctx)
	if err != nil {
		return nil, err
	}
	for m, n := range keys {
		f := TokenForecast{Spec: m.spec, Wrapped: m.wrapped, Keys: n}
		f.from(took[m])
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b TokenForecast) int {
		return cmp.Or(cmp.Compare(b.Seconds, a.Seconds), strings.Compare(a.Kind(), b.Kind()))
	})
	return out, nil
}

func (p Intended) making() making      { return making{p.Spec, p.Retain == RetainWrapped} }
func (f TokenForecast) making() making { return making{f.Spec, f.Wrapped} }

// Kind of material, in words.
func (f TokenForecast) Kind() string { return f.making().String() }

// stretch is the time from a record that an import is begun to the one that its material was made:
// the token alone works in between, and the first of both is written.
type stretch struct{ from, to time.Time }

// from what such material took before. Imports that ran side by side shared the token:
// time that several took is counted once; pure.
func (f *TokenForecast) from(stretches []stretch) {
	if len(stretches) == 0 {
		return
	}
	slices.SortFunc(stretches, func(a, b stretch) int { return a.from.Compare(b.from) })
	var busy time.Duration
	end := stretches[0].from
	f.FirstAt = stretches[0].to
	for _, s := range stretches {
		if s.from.After(end) {
			end = s.from
		}
		if s.to.After(end) {
			busy += s.to.Sub(end)
			end = s.to
		}
		if s.to.Before(f.FirstAt) {
			f.FirstAt = s.to
		}
	}
	f.Imports, f.LastAt = len(stretches), end
	f.Each = busy.Seconds() / float64(len(stretches))
	f.Seconds = f.Each * float64(f.Keys)
}

// madeBefore reads what the newest imports took, by kind, from the audit.
func (b *Broker) madeBefore(ctx context.Context) (map[making][]stretch, error) {
	var names []string
	for op, err := range b.o.Store.Operations(ctx, OperationFilter{States: []OperationState{Finished}, Limit: latestOperations}) {
		if err != nil {
			return nil, fmt.Errorf("read operations: %w", err)
		}
		if op.Operation.Kind == OpImport {
			names = append(names, op.Operation.KeyName)
		}
	}
	took := map[making][]stretch{}
	for _, name := range names {
		t, err := b.told(ctx, KeySubject(name))
		if err != nil {
			return nil, err
		}
		if m, s, ok := t.madeIn(); ok {
			took[m] = append(took[m], s)
		}
	}
	return took, nil
}

// madeIn is when material was made; ok is false where a run was stopped in between, or a
// clock was set.
func (l told) madeIn() (m making, s stretch, ok bool) {
	for i, e := range l.entries {
		if i == 0 || e.Event != materialGenerated || l.entries[i-1].Event != importBegun {
			continue
		}
		spec, _ := e.Details["spec"].(string)
		_, m.wrapped = e.Details[keptUnder]
		m.spec, s = KeySpec(spec), stretch{l.entries[i-1].At, e.At}
		return m, s, !s.to.Before(s.from)
	}
	return m, s, false
}
