package broker

import (
	"testing"
	"time"
)

func version(key, id string, change func(*Observation)) Observation {
	o := made(key)
	o.Version.ID, o.State, o.SeenAt = id, RemoteEnabled, intendedAtNoon
	if change != nil {
		change(&o)
	}
	return o
}

func named(orphans []Orphan) string {
	text := ""
	for _, o := range orphans {
		text += o.Key.ID + "/" + o.Version + " "
	}
	return text
}

func TestTwinsAreVersionsThatNoPlacementNames(t *testing.T) {
	known := recorded{versions: map[VersionRef]bool{
		{Key: KeyRef{"a"}, ID: "1"}: true, {Key: KeyRef{"b"}, ID: "2"}: true, {Key: KeyRef{"being imported"}}: true,
	}}
	in := func(s RemoteState) func(*Observation) { return func(o *Observation) { o.State = s } }
	seen := []Observation{
		version("a", "1", nil), version("a", "2", in(RemoteDisabled)), version("b", "1", nil), version("b", "2", nil), version("being imported", "1", nil),
		version("a", "3", in(RemoteScheduled)), version("a", "4", in(RemoteDestroyed)), version("a", "5", in(RemoteFailed)),
	}
	if got := named(twinsAmong("gcp", seen, known)); got != "a/2 b/1 " {
		t.Errorf("twins: %s", got)
	}
}

// Our own wrapping key carries the mark of an effect and is in no placement: it is no
// orphan. Any other in its place is one, whatever its mark.
func TestOnlyStrangeWrappingKeysAreListed(t *testing.T) {
	kek := func(id string, change func(*Observation)) Observation {
		return version("kek", id, func(o *Observation) {
			o.WrappingKey, o.Effect = "kek/"+id, "kf-1"
			if change != nil {
				change(o)
			}
		})
	}
	known := recorded{wrappingKeys: map[string]bool{"kek/ours": true}}
	seen := []Observation{
		kek("ours", nil), kek("lost", nil), kek("planted", func(o *Observation) { o.Effect = "" }),
		kek("disabled", func(o *Observation) { o.State = RemoteDisabled }),
		kek("ended", func(o *Observation) { o.ValidTo = intendedAtNoon }),
		kek("living", func(o *Observation) { o.ValidTo = intendedAtNoon.Add(time.Second) }),
		version("no wrapping key", "1", nil),
	}
	got := strangeWrappingKeys("azure", seen, known)
	if named(got) != "kek/lost kek/planted kek/living " || got[0].WrappingKey != "kek/lost" || got[0].Target != "azure" || got[0].Effect != "kf-1" {
		t.Errorf("listed: %+v", got)
	}
	if got := orphansAmong("azure", seen, known); len(got) != 0 {
		t.Errorf("listed as keys: %+v", got)
	}
}
