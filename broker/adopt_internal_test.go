package broker

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var intendedAtNoon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func asked() PrepareIn {
	return PrepareIn{Name: "payments/db", KeyID: "k", Number: 1, Spec: AES256, Purpose: Encrypt, Mode: NewKey}
}

// made is what a provider shows of the key that asked() made.
func made(id string) Observation {
	return Observation{
		Version: VersionRef{Key: KeyRef{ID: id}}, Origin: OriginExternal, State: RemotePending, Spec: AES256,
		Purpose: Encrypt, PolicyMatch: true, CreatedAt: intendedAtNoon.Add(time.Second),
	}
}

func TestAdoptTakesTheOneKeyThatIsJustAsAsked(t *testing.T) {
	key, ok, err := adopt(asked(), intendedAtNoon, "aws", []Observation{made("a")})
	if err != nil || !ok || key.ID != "a" {
		t.Fatalf("adopt = %v, %v, %v", key, ok, err)
	}
}

func TestAdoptFindsNothing(t *testing.T) {
	gone := made("gone")
	gone.State = RemoteScheduled
	for name, seen := range map[string][]Observation{"nothing there": nil, "only one that is going": {gone}} {
		if key, ok, err := adopt(asked(), intendedAtNoon, "aws", seen); ok || err != nil {
			t.Errorf("%s: adopt = %v, %v, %v", name, key, ok, err)
		}
	}
}

func TestAdoptLeavesEverythingElseToAPerson(t *testing.T) {
	spoil := map[string]func(*Observation){
		"origin":     func(o *Observation) { o.Origin = OriginProvider },
		"material":   func(o *Observation) { o.HasMaterial = true },
		"spec":       func(o *Observation) { o.Spec = HMAC256 },
		"purpose":    func(o *Observation) { o.Purpose = Sign },
		"key policy": func(o *Observation) { o.PolicyMatch = false },
		"age":        func(o *Observation) { o.CreatedAt = intendedAtNoon.Add(-ClockSlack - time.Second) },
	}
	for name, change := range spoil {
		t.Run(name, func(t *testing.T) {
			o := made("a")
			change(&o)
			for _, seen := range [][]Observation{{o}, {o, made("b")}, {made("b"), o}} {
				_, ok, err := adopt(asked(), intendedAtNoon, "aws", seen)
				if ok || !errors.Is(err, Undecided) {
					t.Errorf("adopt(%d keys) = %v, %v; want undecided", len(seen), ok, err)
				}
			}
		})
	}
	_, ok, err := adopt(asked(), intendedAtNoon, "aws", []Observation{made("a"), made("b")})
	if ok || !errors.Is(err, Undecided) {
		t.Errorf("two alike: %v, %v; want undecided", ok, err)
	}
	if e, _ := errors.AsType[*Error](err); len(e.Seen) != 2 || e.Seen[1].Ref != "b" || e.Seen[1].Target != "aws" || e.Seen[1].Observation.Spec != asked().Spec {
		t.Errorf("a person is shown %+v", e)
	}
}

// However many keys carry the mark, at most one is adopted, and only when it is
// the only candidate.
func TestAdoptNeverChoosesAmongSeveral(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seen := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Observation {
			o := made(rapid.StringMatching(`[a-f]{4}`).Draw(t, "id"))
			o.HasMaterial = rapid.Bool().Draw(t, "material")
			o.PolicyMatch = rapid.Bool().Draw(t, "policy")
			o.State = rapid.SampledFrom([]RemoteState{RemotePending, RemoteEnabled, RemoteScheduled, RemoteDestroyed}).Draw(t, "state")
			return o
		}), 0, 4).Draw(t, "seen")
		left := 0
		for _, o := range seen {
			if o.State != RemoteScheduled && o.State != RemoteDestroyed {
				left++
			}
		}
		_, ok, err := adopt(asked(), intendedAtNoon, "aws", seen)
		switch {
		case ok && left != 1:
			t.Fatalf("adopted one of %d", left)
		case left == 0 && err != nil:
			t.Fatalf("nothing there: %v", err)
		case left > 1 && !errors.Is(err, Undecided):
			t.Fatalf("%d left: %v", left, err)
		}
	})
}

func TestOrphansAreMarkedLivingAndUnknown(t *testing.T) {
	marked := func(id string, change func(*Observation)) Observation {
		o := made(id)
		o.Effect, o.Name = "kf-1", "payments/db"
		if change != nil {
			change(&o)
		}
		return o
	}
	seen := []Observation{
		marked("twin", nil), marked("ours", nil), made("foreign"), marked("a-twin", nil),
		marked("going", func(o *Observation) { o.State = RemoteScheduled }),
	}
	got := orphansAmong("aws", seen, recorded{keys: map[string]bool{"ours": true}})
	if len(got) != 2 || got[0].Key.ID != "a-twin" || got[1].Key.ID != "twin" || got[1].Name != "payments/db" || got[1].Target != "aws" {
		t.Errorf("orphans = %+v", got)
	}
}
