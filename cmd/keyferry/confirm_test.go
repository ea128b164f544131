package main

import (
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

func TestProductionIsAskedFor(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, broker.Production)
	line := args("import aws payments/db --policy payments")
	names := []string{"environment production", "account 111122223333", "eu-central-1", "target aws-test"}
	w.refuses(exitMisused, line, append(names, "give --yes", "changed: nothing")...)

	w.interactive = true
	for _, no := range []string{"n\n", "\n", "no\n", "yess\n"} {
		w.stdin = no
		w.refuses(exitFailed, line, append(names, "Go on? [y/N]", "not done", "changed: nothing")...)
	}
	w.stdin = ""
	w.refuses(exitFailed, line, "EOF", "changed: nothing")
	if report := w.target.Report(); len(report.Names["payments/db"]) != 0 {
		t.Fatalf("something was done: %+v", report)
	}
	w.stdin = "y\n"
	s := w.must(line...)
	if !strings.Contains(s.stderr, "Go on?") {
		t.Errorf("it did not ask: %s", s)
	}
}

// Whoever says yes reads whose place it is, at every provider.
func TestTheQuestionNamesAccountAndPlaceAtEveryProvider(t *testing.T) {
	t.Parallel()
	for want, target := range map[string]config.Target{
		"environment production, account 111122223333, eu-central-1 (target t)": {Account: "111122223333", Region: "eu-central-1"},
		"environment production, project pay-prod, europe-west3/keys (target t)": {
			Project: "pay-prod", Location: "europe-west3", Ring: "keys",
		},
		"environment production, tenant 0f3c, pay.vault.azure.net (target t)": {Tenant: "0f3c", Vault: "https://pay.vault.azure.net"},
	} {
		target.Name, target.Environment = "t", broker.Production
		s := &session{config: &config.Config{Targets: []config.Target{target}}}
		if got := s.places([]string{"t"}); got != want {
			t.Errorf("it asks about %q, want %q", got, want)
		}
	}
}

func TestEveryChangeOfProductionIsAskedForUnlessYes(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, broker.Production)
	w.must(args("import aws staged/db --policy payments --no-activate --yes")...)
	op := asks[[]operationRow](w, "operation", "list")[0].ID
	w.failing("wrapping-key", 1, broker.Denied)
	w.refuses(exitPartly, args("import aws failed/db --policy payments --yes"))
	w.fault = nil
	open := asks[[]operationRow](w, "operation", "list", "--unfinished")[0].ID
	before := len(asks[[]broker.Entry](w, "audit", "list"))
	for _, line := range []string{
		"token enrol --environment production",
		"target enrol aws-test",
		"import aws other/db --policy payments",
		"activate staged/db",
		"renew staged/db --valid-to 30d",
		"operation resume " + open,
		"operation abort " + op + " --reason why",
	} {
		w.refuses(exitMisused, args(line), "this changes production", "give --yes")
	}
	if after := len(asks[[]broker.Entry](w, "audit", "list")); after != before {
		t.Errorf("the audit grew by %d", after-before)
	}
	for _, line := range []string{"activate staged/db", "operation resume " + open, "operation abort " + op + " --reason why"} {
		w.must(append(args(line), "--yes")...)
	}
	w.must(args("import aws staged/other --policy payments --dry-run")...)
	w.must(args("verify --all")...) // changes nothing there
}

func TestOtherEnvironmentsAreNotAskedFor(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	if s := w.must(args("import aws payments/db --policy payments")...); strings.Contains(s.stderr, "Go on?") {
		t.Errorf("it asked: %s", s)
	}
}
