package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// stale is what an adapter says when its credentials cannot be read.
var errStale = &broker.Error{Kind: broker.Denied, Op: "read", Object: "credentials", Cause: errors.New("google.json is gone"), Hint: "mend the path"}

// One target whose credentials cannot be read is in nobody's way: the others are worked
// with, and it says why when it is used itself.
func TestTargetThatDoesNotOpenIsInNobodysWay(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	w.must(args("import all signing/release --policy everywhere")...)
	w.must(args("import gcp there/only --policy gcp-keys")...)
	w.shut = map[string]error{"gcp-test": errStale}

	for _, line := range []string{
		"import aws payments/db --policy payments", "verify payments/db", "verify signing/release --target aws-test", "target show aws-test",
		"inventory --orphans --target azure-test", "target list", "audit verify", "renew payments/db --valid-to 30d --dry-run", "token show",
	} {
		w.must(args(line)...)
	}
	before := len(asks[[]broker.Entry](w, "audit", "list"))
	for _, line := range []string{
		"import gcp other/key --policy gcp-keys", "import gcp other/key --policy gcp-keys --dry-run", "import all other/key --policy everywhere",
		"target enrol gcp-test", "inventory --orphans --target gcp-test", "renew there/only --no-end", "config check",
	} {
		w.refuses(exitFailed, args(line), "open target gcp-test: read credentials: denied: google.json is gone", "mend the path", "changed: nothing")
	}
	if after := len(asks[[]broker.Entry](w, "audit", "list")); after != before {
		t.Errorf("the audit grew by %d", after-before)
	}
	if n := len(w.clouds["aws-test"].Report().Names["other/key"]); n != 0 {
		t.Errorf("%d keys were made elsewhere", n)
	}
}

// Where it is one of several it has its row, and the others have theirs.
func TestTargetThatDoesNotOpenHasItsRow(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	w.must(args("import all signing/release --policy everywhere")...)
	w.shut = map[string]error{"gcp-test": errStale}
	s := w.refuses(exitPartly, args("verify signing/release --output csv"))
	for line := range strings.Lines(s.out) {
		if shut := strings.Contains(line, "gcp-test"); shut != strings.Contains(line, "google.json is gone") {
			t.Errorf("verify says %s", line)
		}
	}
	s = w.refuses(exitFailed, args("doctor --output csv"), "findings failed")
	findings := strings.Split(s.out, "\n")
	found := func(parts ...string) bool {
		return slices.ContainsFunc(findings, func(line string) bool {
			return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
		})
	}
	if !found("target gcp-test,open,failed", "google.json is gone") || found("target gcp-test,enrolment") || !found("target azure-test,enrolment,ok") {
		t.Errorf("doctor says\n%s", s.out)
	}
}
