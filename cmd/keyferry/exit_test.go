package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for want, errs := range map[int][]error{
		exitDone: {nil},
		exitFailed: {
			errors.New("anything"), broker.NotFound, fmt.Errorf("wrapped: %w", broker.Denied), context.Canceled,
			&broker.Error{Kind: broker.Unclear}, &verdict{exitFailed, broker.Misuse},
		},
		exitMisused: {misuse("x"), fmt.Errorf("wrapped: %w", broker.Misuse), fmt.Errorf("wrapped: %w", misuse("x"))},
		exitPartly: {
			&broker.Error{Kind: broker.Denied, Changed: "a key is there"}, fmt.Errorf("wrapped: %w", &broker.Error{Kind: broker.Unclear, Changed: "x"}),
			&verdict{exitPartly, errors.New("some")},
		},
	} {
		for _, err := range errs {
			if got := exitCode(err); got != want {
				t.Errorf("%v ends with %d, want %d", err, got, want)
			}
		}
	}
}

// TestEveryErrorSaysWhatToDo: what happened, to what, why; whether anything was
// changed; what to do.
func TestEveryErrorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	kinds := []broker.Kind{
		broker.NotFound, broker.Conflict, broker.Unsupported, broker.Denied, broker.Expired, broker.Rejected,
		broker.Throttled, broker.Unclear, broker.Unavailable, broker.Undecided, broker.Misuse, broker.Tampered, broker.Differs,
	}
	var errs []error
	for _, k := range kinds {
		errs = append(errs, k, fmt.Errorf("outer: %w", k), &broker.Error{Kind: k, Op: "do", Object: "thing", Cause: errors.New("why")})
	}
	errs = append(errs, errors.New("plain"), context.Canceled, context.DeadlineExceeded)
	for _, err := range errs {
		lines := strings.Split(strings.TrimSuffix(explained(err), "\n"), "\n")
		if len(lines) != 3 || !strings.HasPrefix(lines[0], "keyferry: ") || !strings.HasPrefix(lines[1], "  changed: ") || !strings.HasPrefix(lines[2], "  do:      ") {
			t.Errorf("%v is explained as\n%s", err, strings.Join(lines, "\n"))
		}
	}
}

func explained(err error) string {
	var stderr bytes.Buffer
	(&program{stderr: &stderr}).explain(err, "keyferry import aws")
	return stderr.String()
}

func TestErrorsAreExplained(t *testing.T) {
	t.Parallel()
	inner := &broker.Error{Kind: broker.Denied, Op: "CreateKey", Permission: "kms:CreateKey"}
	for _, c := range []struct {
		err   error
		wants []string
	}{
		{&broker.Error{Kind: broker.Throttled, RetryAfter: 7 * time.Second}, []string{"do:      try again in 7s"}},
		{inner, []string{"(permission kms:CreateKey)", "do:      grant kms:CreateKey"}},
		{&broker.Error{Kind: broker.Denied, Op: "import", Cause: inner, Changed: "a key is there"}, []string{"changed: a key is there"}},
		{&broker.Error{Kind: broker.Conflict, Cause: &broker.Error{Kind: broker.Conflict, Hint: "inner hint"}}, []string{"do:      inner hint"}},
		{&broker.Error{Kind: broker.Conflict, Hint: "outer", Cause: &broker.Error{Hint: "inner"}}, []string{"do:      outer"}},
		{fmt.Errorf("look: %w", broker.Unclear), []string{"changed: unknown; the next run looks before it acts"}},
		{fmt.Errorf("wait: %w", context.Canceled), []string{"keyferry: stopped by a signal: wait", "changed: nothing", "run the command again"}},
		{misuse("no such thing"), []string{"keyferry: no such thing\n"}},
	} {
		got := explained(c.err)
		for _, want := range c.wants {
			if !strings.Contains(got, want) {
				t.Errorf("%v is explained as\n%swant in it: %s", c.err, got, want)
			}
		}
	}
}

func TestABadConfigIsExplainedWithAllItsProblems(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	w.configure(strings.ReplaceAll(strings.Replace(worldConfig, "eu-central-1", "Frankfurt", 1), "ENV", "TEST"))
	for _, line := range []string{"config check", "key list", "import aws x --policy payments", "doctor", "init"} {
		w.refuses(exitMisused, args(line), "the config is wrong in 3 places", w.config+":2:", w.config+":4:", "is not a region", "changed: nothing", "docs/keyferry.example.yaml")
	}
}

func TestStoreThatIsNotThereIsNotMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	w.configure(strings.ReplaceAll(strings.Replace(worldConfig, "keyferry.db", "other.db", 1), "ENV", "test"))
	w.refuses(exitFailed, args("key list"), "other.db", "not found", "keyferry init")
	w.refuses(exitFailed, args("import aws x --policy payments"), "other.db", "keyferry init")
}

func TestInitMakesWhatIsMissingAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	if m := asks[made](w, "init"); m.ConfigMade || m.StoreMade {
		t.Errorf("run again, it made %+v", m)
	}
	fresh := t.TempDir() + "/keyferry.yaml"
	dry := asks[made](w, "init", "--config", fresh, "--dry-run")
	if dry.ConfigMade || dry.StoreMade || !slices.Equal(dry.WouldMake, []string{"config", "store"}) {
		t.Errorf("dry: %+v", dry)
	}
	if s := w.must("init", "--label", "foo"); !strings.Contains(s.stderr, "--label is ignored: "+w.config) || strings.Contains(s.stderr, "--module") {
		t.Errorf("a flag is ignored in silence: %s", s)
	}
	w.refuses(exitMisused, []string{"key", "list", "--config", fresh}, "not found")
	m := asks[made](w, "init", "--config", fresh, "--label", `odd "label"`, "--environment", "staging", "--pin-file", "/etc/keyferry/pin")
	if !m.ConfigMade || !m.StoreMade || m.Config != fresh {
		t.Errorf("made %+v", m)
	}
	shown := w.must("config", "show", "--config", fresh).out
	for _, want := range []string{`odd "label"`, "staging", "file /etc/keyferry/pin", "/usr/lib/softhsm/libsofthsm2.so"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not in\n%s", want, shown)
		}
	}
	w.refuses(exitMisused, []string{"init", "--config", t.TempDir() + "/x.yaml", "--environment", "TEST"}, "token.environment")
	w.refuses(exitFailed, []string{"init", "--config", t.TempDir() + "/no/such/dir.yaml"}, "check the directory")
}

func TestBackupOpensAsAStore(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.must(args("import aws payments/db --policy payments")...)
	if dry := asks[backedUp](w, "store", "backup", w.dir+"/copy.db", "--dry-run"); !dry.DryRun {
		t.Errorf("a dry run looks like the deed: %+v", dry)
	}
	if s := w.must("store", "backup", w.dir+"/copy.db", "--dry-run"); !strings.Contains(s.out, "dry_run") {
		t.Errorf("a dry run looks like the deed: %s", s)
	}
	if s := w.must("store", "backup", w.dir+"/copy.db"); strings.Contains(s.out, "dry_run") {
		t.Errorf("the deed looks like a dry run: %s", s)
	}
	w.refuses(exitFailed, []string{"store", "backup", w.dir + "/copy.db"}, "there already")
	w.configure(strings.ReplaceAll(strings.Replace(worldConfig, "keyferry.db", "copy.db", 1), "ENV", "test"))
	if keys := asks[[]keyRow](w, "key", "list"); len(keys) != 1 {
		t.Errorf("the copy has %+v", keys)
	}
}
