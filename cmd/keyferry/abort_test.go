package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// An abort of a finished import that a signal stops is seen everywhere as what it is,
// and every advice is the same abort, which goes on.
func TestAnAbortThatASignalStops(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	w.must(args("import all signing/release --policy everywhere")...)
	id := asks[[]operationRow](w, "operation", "list")[0].ID
	abort := []string{"operation", "abort", id, "--reason", "unwanted"}
	do := "keyferry operation abort " + id + " --reason … finishes that"

	ctx, cancel := context.WithCancelCause(t.Context())
	w.fault = func(call string, after bool) error {
		if call == "schedule" && after {
			cancel(errStopped)
		}
		return nil
	}
	var out, stderr bytes.Buffer
	code := w.program(&out, &stderr).run(ctx, abort)
	w.fault = nil
	if s := stderr.String(); code != exitPartly || !strings.Contains(s, "abort import of key signing/release") || !strings.Contains(s, "do:      "+do) || strings.Contains(s, "operation resume") {
		t.Errorf("stopped, it ends with %d and says\n%s", code, s)
	}

	for _, flags := range []string{"--unfinished", "--state aborting"} {
		if ops := asks[[]operationRow](w, args("operation list "+flags)...); len(ops) != 1 || ops[0].ID != id || ops[0].State != broker.Aborting || !strings.Contains(ops[0].Problem, do) {
			t.Errorf("%s lists %+v", flags, ops)
		}
	}
	if ops := asks[[]operationRow](w, args("operation list --state finished")...); len(ops) != 0 {
		t.Errorf("finished are %+v", ops)
	}
	if o := asks[broker.OperationView](w, "operation", "show", id); o.Operation.State != broker.Aborting {
		t.Errorf("shown as %s", o.Operation.State)
	}
	w.refuses(exitFailed, []string{"operation", "resume", id}, "it is being taken back", do)
	w.refuses(exitFailed, []string{"operation", "resume", id, "--dry-run"}, "it is being taken back", do)
	if s := w.must("key", "show", "signing/release"); !strings.Contains(s.out, "being taken back: ") {
		t.Errorf("key show says %s", s)
	}
	for _, r := range asks[[]placementRow](w, "inventory") {
		if r.Difference != "being taken back: "+do {
			t.Errorf("inventory: %+v", r)
		}
	}
	w.takenBackEverywhere(abort)
	if rows := asks[[]operationRow](w, "operation", "list", "--unfinished"); len(rows) != 0 {
		t.Errorf("unfinished are %+v", rows)
	}
}

// takenBackEverywhere: the answer has every target, with its own date.
func (w *world) takenBackEverywhere(abort []string) {
	w.t.Helper()
	a := asks[broker.Aborted](w, abort...)
	days := map[string]int{}
	for _, k := range a.Keys {
		days[k.Target] = int(k.DeletionAt.Sub(w.now()) / (24 * time.Hour))
		if k.Version.Key.ID == "" || k.Version.ID == "" && k.Target != "aws-test" {
			w.t.Errorf("taken back: %+v", k)
		}
	}
	if len(days) != 3 || days["aws-test"] != 30 || days["gcp-test"] != 30 || days["azure-test"] != 90 {
		w.t.Errorf("they are deleted in days: %v", days)
	}
}

// The table has a row for each key, with its references and its own date.
func TestAbortShowsEachKeyWithItsDate(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	w.must(args("import all signing/release --policy everywhere")...)
	id := asks[[]operationRow](w, "operation", "list")[0].ID
	k := asks[broker.KeyView](w, "key", "show", "signing/release")
	s := w.must("operation", "abort", id, "--reason", "unwanted")
	for _, p := range k.Placements {
		if !strings.Contains(s.out, p.Version.Key.ID) || !strings.Contains(s.out, p.Version.ID) {
			t.Errorf("it does not show %+v:\n%s", p.Version, s.out)
		}
	}
	for _, days := range []int{30, 90} {
		if date := w.now().AddDate(0, 0, days).Format(time.DateOnly); !strings.Contains(s.out, date) {
			t.Errorf("it does not show %s:\n%s", date, s.out)
		}
	}
}

// What consumers have already is said in so many words, and shown.
func TestActivateAgainSaysThatItIsActive(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.must(args("import aws payments/db --policy payments")...)
	s := w.must(args("activate payments/db")...)
	if !strings.Contains(s.stderr, "version 1 of key payments/db is active already") || strings.Contains(s.stderr, "operation") {
		t.Errorf("it says %s", s)
	}
	if want := w.must(args("key show payments/db")...).out; s.out != want {
		t.Errorf("it shows\n%swant\n%s", s.out, want)
	}
	r := asks[broker.Result](w, args("activate payments/db")...)
	if r.Operation.Operation.ID == "" || r.Operation.Operation.Number != 1 || !r.AlreadyDone {
		t.Errorf("it is %+v", r.Operation.Operation)
	}
}
