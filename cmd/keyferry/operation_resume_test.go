package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// failedImports leaves so many imports that stopped before their material was sent.
func (w *world) failedImports(n int) {
	w.t.Helper()
	w.fault = func(call string, committed bool) error {
		if call == "import" && !committed {
			return &broker.Error{Kind: broker.Denied, Op: "import", Permission: "kms:ImportKeyMaterial"}
		}
		return nil
	}
	for i := range n {
		w.refuses(exitPartly, args(fmt.Sprintf("import aws half/%d --policy payments", i)))
	}
	w.fault = nil
}

func resumedOf(t *testing.T, text string) map[string]resumedRow {
	t.Helper()
	rows := map[string]resumedRow{}
	for line := range strings.Lines(text) {
		var r resumedRow
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		rows[r.Key] = r
	}
	return rows
}

// All that failed are gone on with; one that fails again holds no other up.
func TestResumeAllThatFailed(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.must(args("import aws done/db --policy payments")...)
	w.failedImports(4)
	listed := asks[[]operationRow](w, "operation", "list", "--failed")
	if len(listed) != 4 || listed[0].State != broker.Failed || !strings.Contains(listed[0].Problem, "denied") {
		t.Fatalf("listed: %+v", listed)
	}
	planned := resumedOf(t, w.must(args("operation resume --all --dry-run --output jsonl")...).out)
	if len(planned) != 4 || planned["half/2"].State != rowPlanned || planned["half/2"].Reason == "" {
		t.Errorf("planned: %+v", planned)
	}
	left := 1
	w.fault = func(call string, committed bool) error {
		if call == "import" && !committed && left > 0 {
			left--
			return &broker.Error{Kind: broker.Denied, Op: "import", Permission: "kms:ImportKeyMaterial"}
		}
		return nil
	}
	s := w.refuses(exitPartly, args("operation resume --failed --at-once 1 --output jsonl"), "1 of 4 failed, 0 were not begun", "3 operations were finished", "operation list --failed")
	rows := resumedOf(t, s.out)
	if len(rows) != 4 || rows["half/0"].State != rowFailed || !strings.Contains(rows["half/0"].Do, "kms:ImportKeyMaterial") || rows["half/3"].State != rowDone {
		t.Errorf("%+v", rows)
	}
	w.fault = nil
	ids := []string{"operation", "resume", "--output", "json"}
	for _, o := range listed {
		ids = append(ids, o.ID)
	}
	last := w.must(ids...)
	if strings.Count(last.out, rowBefore) != 3 || strings.Count(last.out, `"state": "done"`) != 1 {
		t.Errorf("%s", last.out)
	}
	if s := w.must(args("operation resume --failed")...); !strings.Contains(s.stderr, "nothing to show") {
		t.Errorf("%s", s)
	}
	w.must("audit", "verify")
}

func TestResumeFailsWhereAllFail(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.failedImports(2)
	w.fault = func(call string, committed bool) error {
		if call == "import" && !committed {
			return broker.Denied
		}
		return nil
	}
	w.refuses(exitFailed, args("operation resume --failed"), "2 of 2 failed")
}

func TestResumeRefusesWhatIsUnclear(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.failedImports(1)
	id := asks[[]operationRow](w, "operation", "list", "--failed")[0].ID
	for line, word := range map[string]string{
		"operation resume":                       "--failed or --all",
		"operation resume --failed --all":        "one of them",
		"operation resume --failed " + id:        "one of them",
		"operation resume " + id + " " + id:      "named twice",
		"operation resume --failed --at-once 0":  "not within 1 and 256",
		"operation list --failed --unfinished":   "exclude each other",
		"operation list --failed --state failed": "exclude each other",
	} {
		w.refuses(exitMisused, args(line), word)
	}
}
