package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// An answer that is lost, late, cut, refused for now or slow, at each call that
// changes something: one run, one key.
func TestOneRunOutlivesEveryPassingFault(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	var names []string
	for _, action := range []string{"CreateKey", "GetParametersForImport", "ImportKeyMaterial", "CreateAlias"} {
		for i, rule := range []faults.Rule{
			{Kind: faults.Drop, When: faults.Before},
			{Kind: faults.Drop, When: faults.After},
			{Kind: faults.Fail, When: faults.After, Code: "KMSInternalException", Status: 500},
			{Kind: faults.Truncate},
			{Kind: faults.Throttle, RetryAfter: 1},
			{Kind: faults.Throttle},
			{Kind: faults.Slow, After: 1},
			{Kind: faults.Late, After: 0.3},
		} {
			rule.Match.Action = action
			name := fmt.Sprintf("lost-%s-%d-%s-%s", action, i, rule.Kind, rule.When)
			id, err := s.admin.Add(t.Context(), rule)
			fatal(t, err)
			if out := s.run(t, s.imports(name, "hmac-256")...); out.code != 0 {
				t.Errorf("%s at %s: %s", rule.Kind, action, out)
			}
			fatal(t, s.admin.Remove(t.Context(), id))
			names = append(names, name)
		}
	}
	s.judge(t, names...)
	s.auditHolds(t)
}

// A key that the cloud makes only after everything was waited out is a twin: it is
// never used, and it is listed.
func TestATwinThatComesLateIsListed(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	id, err := s.admin.Add(t.Context(), faults.Rule{
		Kind: faults.Late, After: faults.Seconds(time.Hour.Seconds()), Clock: faults.Emulator, Match: faults.Match{Action: "CreateKey"},
	})
	fatal(t, err)
	if out := s.run(t, s.imports("twice", "aes-256")...); out.code != 0 {
		t.Fatal(out)
	}
	fatal(t, s.admin.Release(t.Context(), id))
	report, err := s.admin.Report(t.Context())
	fatal(t, err)
	if len(report.Orphans) != 1 {
		t.Fatalf("orphans: %v", report.Orphans)
	}
	out := s.run(t, "inventory", "--orphans", "--output", "json")
	if out.code != 0 || !contains(out.stdout, report.Orphans[0]) {
		t.Errorf("the late key %s is not listed: %s", report.Orphans[0], out)
	}
	if out := s.run(t, s.imports("twice", "aes-256")...); out.code != 0 || contains(out.stdout, report.Orphans[0]) {
		t.Errorf("imported again: %s", out)
	}
}

// Several runs at once, for one key and for others: one version each.
func TestRunsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	var runs []*started
	for i := range 8 {
		runs = append(runs, s.start(t, s.imports(fmt.Sprintf("at-once-%d", i%2), "hmac-256")...))
	}
	finished := 0
	for _, run := range runs {
		out := run.wait()
		if out.code == 0 {
			finished++
		} else if !contains(out.stderr, "lease") && !contains(out.stderr, "CKR_GENERAL_ERROR") {
			t.Error(out) // SoftHSM itself stumbles now and then when several processes log in at once
		}
	}
	for i := range 2 {
		if out := s.run(t, s.imports(fmt.Sprintf("at-once-%d", i), "hmac-256")...); out.code != 0 {
			t.Error(out)
		}
	}
	if finished == 0 {
		t.Error("none of the runs finished")
	}
	s.judge(t, "at-once-0", "at-once-1")
	s.auditHolds(t)
}
