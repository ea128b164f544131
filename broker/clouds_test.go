package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// settled makes a target settle within an instant.
func settled(caps broker.Capabilities) broker.Capabilities {
	caps.Settle, caps.Poll = 20*time.Millisecond, 10*time.Millisecond
	return caps
}

// numbered is a target like Google's, newest one like Azure's.
func numbered() broker.Capabilities { return settled(providers.Numbered()) }
func newest() broker.Capabilities   { return settled(providers.Newest()) }

// clouds is a world with three targets: cloud, numbered and newest.
func clouds(t *testing.T) *world {
	t.Helper()
	w := bareWorld(t, quick())
	for name, caps := range map[string]broker.Capabilities{"numbered": numbered(), "newest": newest()} {
		w.others = append(w.others, broker.Target{
			Name: name, Provider: targetCalled(w, name, caps), Environment: "test", Genuine: true,
			Pins: map[string]string{broker.PinAccount: account, "region": "there"},
		})
	}
	slices.SortFunc(w.others, func(a, b broker.Target) int { return strings.Compare(b.Name, a.Name) })
	w.enrol()
	return w
}

// everywhere is an import at all three.
func everywhere(name string, spec broker.KeySpec) broker.ImportRequest {
	return broker.ImportRequest{
		Name: name, Spec: spec, Targets: []string{"newest", "numbered", "cloud"}, Why: broker.Why{Reason: "test", Ticket: "T-2"},
	}
}

func (w *world) provider(name string) *providers.Provider {
	w.t.Helper()
	for _, t := range w.others {
		if k, ok := t.Provider.(withKEK); ok && t.Name == name {
			return k.Provider
		}
		if t.Name == name {
			return t.Provider.(*providers.Provider)
		}
	}
	return w.target
}

// oneEverywhere holds every target against what was asked: one version with the same
// material, enabled and given to consumers, and on record as it is.
func (w *world) oneEverywhere(t *testing.T, name string, targets ...string) {
	t.Helper()
	view, err := w.store.Key(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if len(view.Versions) != 1 || len(view.Placements) != len(targets) || view.Versions[0].State != broker.Active {
		t.Fatalf("on record: %+v", view)
	}
	for _, target := range targets {
		p, _ := view.Placement(1, target)
		report := w.provider(target).Report()
		got := report.Names[name]
		if len(got) != 1 || got[0].State != broker.RemoteEnabled || len(report.Orphans) != 0 || len(report.Twins) != 0 {
			t.Errorf("target %s holds %+v, orphans %v, twins %v", target, got, report.Orphans, report.Twins)
		}
		if p.Step != broker.PlacementActive || p.Proof.Failed || p.Proof.Level == "" || p.Consumer == "" {
			t.Errorf("on record at %s: %+v", target, p)
		}
		w.consumed(t, target, p)
	}
}

// consumed holds what consumers get at a target against the record.
func (w *world) consumed(t *testing.T, target string, p broker.Placement) {
	t.Helper()
	var got []broker.Observation
	for o, err := range w.provider(target).Look(t.Context(), broker.Query{Consumer: p.Consumer}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o)
	}
	if len(got) != 1 || got[0].Version.Key != p.Version.Key || got[0].Version.ID != p.Version.ID && target != "cloud" {
		t.Errorf("consumers of %s at %s get %+v, on record is %+v", p.Consumer, target, got, p.Version)
	}
}

// specsEverywhere are those that all three take.
func specsEverywhere() []broker.KeySpec {
	return []broker.KeySpec{broker.AES256, broker.ECP384}
}

func TestImportAtThreeClouds(t *testing.T) {
	t.Parallel()
	for _, spec := range specsEverywhere() {
		t.Run(string(spec), func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			req := everywhere("payments/db", spec)
			if _, err := w.run(nil).Import(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			w.oneEverywhere(t, req.Name, req.Targets...)
			w.auditHolds(t)
			again, err := w.run(nil).Import(t.Context(), req)
			if err != nil || !again.AlreadyDone {
				t.Errorf("imported again: %+v, %v", again.Operation.Operation, err)
			}
			checks, err := w.run(nil).Verify(t.Context(), broker.VerifyRequest{Name: req.Name})
			if err != nil || len(checks) != 3 {
				t.Fatalf("verify: %+v, %v", checks, err)
			}
			for _, c := range checks {
				if reason := strings.TrimPrefix(c.Detail, "cannot be proven: "); !c.OK || c.Level == broker.ProofAccepted && reason == "" {
					t.Errorf("verify: %+v", c)
				}
			}
		})
	}
}

// Killed anywhere in an import over three clouds and started again: exactly one
// version at each, proven and given to consumers.
func TestImportAtThreeCloudsKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, spec := range specsEverywhere() {
		t.Run(string(spec), func(t *testing.T) {
			t.Parallel()
			req := everywhere("payments/db", spec)
			if spec.Secret() {
				req.Targets = req.Targets[:2] // at cloud its line is that of a single target
			}
			scenario{
				world: func(t *testing.T) *world {
					t.Helper()
					w := clouds(t)
					for i := range w.others {
						w.others[i].Provider = soleWriter{w.others[i].Provider.(*providers.Provider)}
					}
					return w
				},
				act: func(ctx context.Context, _ *world, b *broker.Broker) error {
					_, err := b.Import(ctx, req)
					return err
				},
				check: func(t *testing.T, w *world) {
					t.Helper()
					for i := range w.others {
						w.others[i].Provider = w.others[i].Provider.(soleWriter).Provider
					}
					w.oneEverywhere(t, req.Name, req.Targets...)
				},
				calls: 50, after: true,
			}.killEverywhere(t)
		})
	}
}

// soleWriter is a target of which it was said that nobody else imports there.
type soleWriter struct{ *providers.Provider }

func (s soleWriter) Capabilities() broker.Capabilities {
	caps := s.Provider.Capabilities()
	caps.SoleWriter = true
	return caps
}

// A failure at any target before activation changes nothing that a consumer is given
// anywhere, and the import goes on from there.
func TestAFailureBeforeActivationGivesConsumersNothing(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"target", "numbered", "newest"} {
		for _, call := range []string{"prepare", "wrapping-key", "import", "prove"} {
			t.Run(target+"/"+call, func(t *testing.T) {
				t.Parallel()
				w := clouds(t)
				req := everywhere("payments/db", broker.ECP384)
				hit := false
				w.inject = func(c string, before bool) error {
					if c == target+" "+call && before {
						hit = true
						return broker.Denied
					}
					return nil
				}
				_, err := w.run(nil).Import(t.Context(), req)
				if !hit && call == "prepare" && target == "newest" {
					return // nothing is called there: the key comes to be with its import
				}
				if !errors.Is(err, broker.Denied) {
					t.Fatalf("denied at %s %s: %v", target, call, err)
				}
				w.givenNothing(t, req.Name)
				w.inject = nil
				if _, err := w.run(nil).Import(t.Context(), req); err != nil {
					t.Fatal(err)
				}
				w.oneEverywhere(t, req.Name, req.Targets...)
			})
		}
	}
}

// givenNothing: no name leads to the key, and no version of it is enabled where
// consumers would use it.
func (w *world) givenNothing(t *testing.T, name string) {
	t.Helper()
	view, err := w.store.Key(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range view.Placements {
		if p.Step == broker.PlacementActive {
			t.Errorf("active at %s", p.Target)
		}
	}
	if seen := w.observe(t, broker.Query{Consumer: "alias/" + name}); len(seen) != 0 {
		t.Errorf("a name leads to %+v", seen)
	}
	for _, p := range view.Placements {
		for _, v := range w.provider(p.Target).Report().Names[name] {
			if p.Target != "cloud" && p.Step == broker.PlacementProven && v.State == broker.RemoteEnabled {
				t.Errorf("at %s version %s waits for activation and is %s", p.Target, v.Version.ID, v.State)
			}
		}
	}
}

// An answer that is lost at any changing call of the two other kinds of cloud, before
// or after its commit, is looked for within the same run.
func TestAnyAnswerLostAtOtherClouds(t *testing.T) {
	t.Parallel()
	calls := map[string][]string{
		"numbered": {"prepare", "import", "disable", "enable"},
		"newest":   {"wrapping-key", "import", "disable", "enable"},
	}
	for target, names := range calls {
		for _, call := range names {
			for _, committed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/committed=%v", target, call, committed), func(t *testing.T) {
					t.Parallel()
					w := clouds(t)
					lost := 0
					w.inject = func(c string, before bool) error {
						if c == target+" "+call && before != committed && lost == 0 {
							lost++
							return broker.Unclear
						}
						return nil
					}
					req := everywhere("k", broker.ECP256)
					if _, err := w.run(nil).Import(t.Context(), req); err != nil {
						t.Fatal(err)
					}
					if lost != 1 {
						t.Fatal("no answer was lost")
					}
					w.oneEverywhere(t, "k", req.Targets...)
				})
			}
		}
	}
}

// Where nothing can be compared and others may import, a lost answer is for a person.
func TestALostImportThatNothingComparesIsUndecided(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	w.inject = func(c string, before bool) error {
		if c == "numbered import" && !before {
			return broker.Unclear
		}
		return nil
	}
	req := broker.ImportRequest{Name: "k", Spec: broker.AES256, Targets: []string{"numbered"}, Why: broker.Why{Reason: "test"}}
	_, err := w.run(nil).Import(t.Context(), req)
	if !errors.Is(err, broker.Undecided) || !strings.Contains(err.Error(), "nothing shows that it holds the same material") {
		t.Fatalf("%v", err)
	}
	if n := len(w.provider("numbered").Report().Names["k"]); n != 1 {
		t.Errorf("%d versions are there", n)
	}
}
