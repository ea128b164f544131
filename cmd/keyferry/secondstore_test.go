package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// A second store in another folder takes a token over only on purpose.
func TestASecondStoreIsRefusedATokenThatServes(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	first := w.config
	w.config = filepath.Join(t.TempDir(), "keyferry.yaml")
	w.configure(strings.ReplaceAll(worldConfig, "ENV", "test"))
	w.must("init")
	for _, line := range []string{"token enrol --environment test", "token enrol --environment test --dry-run"} {
		w.refuses(exitFailed, args(line), "the token remembers another store, which began with", "changed: nothing", "keyferry token enrol --environment test --restored --reason")
	}
	second := w.config
	w.config = first
	w.must(args("token enrol --environment test")...)
	w.config = second
	w.refuses(exitMisused, args("token enrol --environment test --restored"), "a reason is required")
	w.must(args("token enrol --environment test --restored --reason lost --dry-run")...)
	w.must(args("token enrol --environment test --restored --reason lost")...)
	if out := w.must(args("audit list")...).out; !strings.Contains(out, "lost") {
		t.Errorf("the reason is not on record:\n%s", out)
	}
	w.config = first
	w.refuses(exitFailed, args("target enrol aws-test"), "the token remembers another store")
}

func TestADryEnrolmentIsNotTakenForTheDeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	if s := w.must(args("token enrol --environment test --dry-run")...); !strings.Contains(s.stderr, "a dry run: the token was not enrolled") {
		t.Errorf("it says %s", s)
	}
	w.refuses(exitMisused, args("token enrol"), "--environment is missing", "do:      keyferry token enrol --environment test")
	w.must(args("token enrol --environment test")...)
	if s := w.must(args("target enrol aws-test --dry-run")...); !strings.Contains(s.stderr, "a dry run:") {
		t.Errorf("it says %s", s)
	}
}
