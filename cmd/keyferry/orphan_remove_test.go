package main

import (
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	hsm "github.com/keyferry/keyferry/hsm/memory"
	cloud "github.com/keyferry/keyferry/providers/memory"
)

// orphaned has a key at the target and an object in the token that no record names.
func orphaned(t *testing.T, environment string) *world {
	t.Helper()
	w := enrolledWorld(t, environment)
	w.plants("aws-test", cloud.Plant{Effect: "kf-lost", In: broker.PrepareIn{Name: "lost/db", KeyID: "lost", Spec: broker.AES256, Purpose: broker.Encrypt}, Material: make([]byte, 32)})
	w.ok(w.token.Plant(hsm.Planted{ID: "kf-lost-1", Spec: broker.AES256}))
	return w
}

// The inventory names the command for each orphan; run as it stands, it removes that.
func TestOrphansAreRemovedOnlyOnRequest(t *testing.T) {
	t.Parallel()
	w := orphaned(t, "test")
	orphans := asks[[]broker.Orphan](w, "inventory", "--orphans")
	if len(orphans) != 2 {
		t.Fatalf("%+v", orphans)
	}
	table := w.must("inventory", "--orphans").out
	for i, o := range orphans {
		if !strings.Contains(table, o.Do) {
			t.Errorf("the table does not say %s:\n%s", o.Do, table)
		}
		line := split(t, strings.Replace(o.Do, "…", "'a person looked'", 1))[1:]
		if i == 0 {
			object := split(t, strings.Replace(orphans[1].Do, "…", "early", 1))[1:]
			w.refuses(exitFailed, object, "may hold it, and is enabled", "remove that first: keyferry orphan remove memory:", "changed: nothing")
		}
		w.refuses(exitMisused, line[:len(line)-2], "a reason is required")
		if i == 0 {
			w.refuses(exitFailed, line, "it may be in use, or of another store", "--unused", "changed: nothing")
			line = append(line, "--unused")
		}
		if s := w.must(append(line, "--dry-run")...); !strings.Contains(s.stderr, "nothing was removed") || w.must("inventory", "--orphans").out == "" {
			t.Errorf("a dry run: %s", s)
		}
		w.must(line...)
		if s := w.must(line...); !strings.Contains(s.stderr, "it was removed already") {
			t.Errorf("again: %s", s)
		}
	}
	if left := asks[[]broker.Orphan](w, "inventory", "--orphans"); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
	log := asks[[]broker.Entry](w, "audit", "list", "--key", "lost/db")
	if len(log) != 2 || log[0].Reason != "a person looked" || log[0].Event == log[1].Event {
		t.Errorf("the audit tells %+v", log)
	}
	w.must("audit", "verify")
}

func TestARemovalSaysWhereAndAsks(t *testing.T) {
	t.Parallel()
	w := orphaned(t, broker.Production)
	for _, line := range []string{"orphan remove kf-lost-1 --reason x", "orphan remove kf-lost-1 --reason x --token --target aws-test", "orphan remove kf-lost-1 --reason x --token --version 1", "orphan remove kf-lost-1 --reason x --token --unused"} {
		w.refuses(exitMisused, args(line), "--token")
	}
	line := args("orphan remove memory:" + account + ":key/1 --target aws-test --reason x")
	line = append(line, "--unused")
	w.refuses(exitMisused, line, "enabled, origin external, key id lost; where another store serves this account", "this changes production", "target aws-test", "give --yes")
	if n := len(asks[[]broker.Orphan](w, "inventory", "--orphans", "--target", "aws-test")); n != 1 {
		t.Errorf("%d orphans are left", n)
	}
	w.must(append(line, "--yes")...)
	w.refuses(exitMisused, args("orphan remove kf-lost-1 --token --reason x"), "Destroy kf-lost-1 in token hsm for good (nothing that needs it is at aws-test")
	w.must(args("orphan remove kf-lost-1 --token --reason x --yes")...)
}
