package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyferry/keyferry/broker"
)

func TestImportShowsUpEverywhere(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	r := asks[broker.Result](w, args("import aws payments/db --policy payments --tag cost=4711 --reason first --ticket T-1")...)
	if r.Operation.Operation.State != broker.Finished || r.AlreadyDone || r.Operation.Operation.Ticket != "T-1" {
		t.Errorf("import came to %+v", r.Operation.Operation)
	}
	inventory := asks[[]placementRow](w, "inventory")
	if len(inventory) != 1 {
		t.Fatalf("inventory is %+v", inventory)
	}
	got := inventory[0]
	if got.Key != "payments/db" || got.Step != broker.PlacementActive || got.State != broker.Active || got.Remote != broker.RemoteEnabled ||
		got.Consumer != "alias/payments/db" || got.Tags["cost"] != "4711" || got.Owner != "payments team" || got.Difference != "" {
		t.Errorf("inventory row is %+v", got)
	}
	keys := asks[[]keyRow](w, "key", "list")
	if len(keys) != 1 || keys[0].Name != "payments/db" || cmp.Diff(keys[0].Targets, []string{"aws-test"}) != "" {
		t.Errorf("keys are %+v", keys)
	}
	if v := asks[[]versionRow](w, "key", "versions", "payments/db"); len(v) != 1 || v[0].Version != 1 || v[0].State != broker.Active {
		t.Errorf("versions are %+v", v)
	}
	if k := asks[broker.KeyView](w, "key", "show", "payments/db"); len(k.Placements) != 1 {
		t.Errorf("key is %+v", k)
	}
	if ops := asks[[]operationRow](w, "operation", "list", "--key", "payments/db"); len(ops) != 1 || ops[0].Reason != "first" || ops[0].User == "" {
		t.Errorf("operations are %+v", ops)
	}
	if entries := asks[[]broker.Entry](w, "audit", "list", "--key", "payments/db"); len(entries) < 5 || entries[0].Actor.Host == "" {
		t.Errorf("audit is %+v", entries)
	}
	if report := w.target.Report(); len(report.Names["payments/db"]) != 1 {
		t.Errorf("at the target there is %+v", report)
	}
}

func TestImportAgainSaysSoAndEndsWithZero(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.must(args("import aws payments/db --policy payments")...)
	s := w.must(args("import aws payments/db --policy payments -o json")...)
	if !strings.Contains(s.out, `"already_done": true`) || !strings.Contains(s.stderr, "was finished before") {
		t.Errorf("the second import says %s", s)
	}
	w.refuses(exitFailed, args("import aws payments/db --spec aes-128 --target aws-test"), "it has spec aes-256, aes-128 was asked", "changed: nothing", "another name")
}

func TestDryRunsTouchNothing(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.must(args("import aws staged/db --policy payments --no-activate")...)
	op := asks[[]operationRow](w, "operation", "list")[0].ID
	before := w.must(args("audit list -o json")...).out
	plan := asks[broker.Intended](w, args("import aws payments/db --policy payments --dry-run")...)
	if plan.Done || len(plan.Targets) != 1 || plan.Targets[0].Consumer != "alias/payments/db" || plan.Targets[0].Account != account || plan.Targets[0].Place != "eu-central-1" {
		t.Errorf("plan is %+v", plan)
	}
	for _, line := range []string{
		"token enrol --environment test --dry-run",
		"target enrol aws-test --dry-run",
		"import aws payments/db --policy payments --dry-run",
		"activate staged/db --dry-run",
		"renew staged/db --valid-to 30d --dry-run",
		"verify staged/db --dry-run",
		"verify --all --dry-run --target aws-test",
		"operation resume " + op + " --dry-run",
		"operation abort " + op + " --reason why --dry-run",
		"store backup copy.db --dry-run",
		"init --dry-run",
	} {
		w.must(args(line)...)
	}
	if after := w.must(args("audit list -o json")...).out; after != before {
		t.Errorf("a dry run is in the audit:\n%s", cmp.Diff(before, after))
	}
	if report := w.target.Report(); len(report.Names) != 2 { // staged/db and the negative control
		t.Errorf("at the target there is %+v", report)
	}
}

func TestStagedKeyIsActivatedLater(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.must(args("import aws staged/db --policy payments --no-activate")...)
	if row := asks[[]placementRow](w, "inventory")[0]; row.Step != broker.PlacementProven || row.State != broker.PreActivation {
		t.Errorf("staged: %+v", row)
	}
	w.must(args("activate staged/db --target aws-test")...)
	if row := asks[[]placementRow](w, "inventory")[0]; row.Step != broker.PlacementActive || row.State != broker.Active {
		t.Errorf("activated: %+v", row)
	}
	w.refuses(exitMisused, args("import aws other --policy payments --no-activate --activate-at 2d"), "exclude each other")
}

func TestPlannedActivationIsShownWhenItIsDue(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	if s := w.must(args("import aws planned/db --policy payments --activate-at 2d")...); !strings.Contains(s.stderr, "nobody gives it to consumers by itself: at 2026-11-26T09:30:05Z, run keyferry activate planned/db") {
		t.Errorf("nobody is told who activates it: %s", s)
	}
	if s := w.must(args("activate planned/db --dry-run")...); !strings.Contains(s.stderr, "before the time it was planned for, 2026-11-26T09:30:05Z") {
		t.Errorf("it is early, and nobody is told: %s", s)
	}
	if row := asks[[]placementRow](w, "inventory")[0]; row.State != broker.PreActivation || !row.ActivateAt.Equal(w.now().Add(48*time.Hour)) || row.Difference != "" {
		t.Errorf("before: %+v", row)
	}
	w.later(49 * time.Hour)
	if row := asks[[]placementRow](w, "inventory")[0]; row.Difference != "due: keyferry activate planned/db" {
		t.Errorf("due: %+v", row)
	}
	w.must(args("activate planned/db")...)
	if row := asks[[]placementRow](w, "inventory")[0]; row.State != broker.Active || row.Difference != "" {
		t.Errorf("after: %+v", row)
	}
}

func TestKeyThatEndsIsFoundAndRenewed(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.must(args("import aws ending/mac --policy ending")...)
	w.must(args("import aws payments/db --policy payments")...)
	for within, want := range map[string]int{"29d": 0, "31d": 1} {
		if rows := asks[[]placementRow](w, "inventory", "--expiring", within); len(rows) != want {
			t.Errorf("expiring within %s: %+v", within, rows)
		}
	}
	w.must(args("renew ending/mac --valid-to 60d")...)
	row := asks[[]placementRow](w, args("inventory --expiring 365d")...)[0]
	if want := w.now().Add(60 * 24 * time.Hour); !row.ValidTo.Equal(want) {
		t.Errorf("renewed until %s, want %s", row.ValidTo, want)
	}
	w.later(61 * 24 * time.Hour)
	if row := asks[[]placementRow](w, args("inventory --expiring 1d")...)[0]; row.Difference != "expired" {
		t.Errorf("after its end: %+v", row)
	}
	w.must(args("renew ending/mac --no-end")...)
	if rows := asks[[]placementRow](w, args("inventory --expiring 365d")...); len(rows) != 0 {
		t.Errorf("without an end: %+v", rows)
	}
	w.refuses(exitMisused, args("renew ending/mac --no-end --valid-to 60d"), "give --valid-to TIME or --no-end, not both")
	w.refuses(exitMisused, args("renew ending/mac --valid-to 2020-01-01"), "in the past")
	w.refuses(exitMisused, args("renew ending/mac --valid-to 400d"), "365 days")
	w.refuses(exitMisused, args("renew ending/mac --valid-to soon"), `"soon" is no time`)
}

func TestVerifyTellsWhatDoesNotHold(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.must(args("import aws one/mac --policy ending")...)
	w.must(args("import aws two/mac --policy ending")...)
	if checks := asks[[]broker.Check](w, "verify", "--all"); len(checks) != 2 || !checks[0].OK {
		t.Errorf("checks are %+v", checks)
	}
	k := asks[broker.KeyView](w, "key", "show", "one/mac")
	if err := w.target.Replace(k.Placements[0].Version.Key, make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	w.refuses(exitPartly, args("verify --all"), "1 of 2 checks do not hold")
	w.refuses(exitFailed, args("verify one/mac"), "1 of 1 checks do not hold")
	w.refuses(exitMisused, args("verify"), "give the NAME of a key or --all")
	w.refuses(exitMisused, args("verify one/mac --all"), "one of them")
	w.refuses(exitFailed, args("verify nothing/there"), "not found", "keyferry key list")
}

func TestUnfinishedImportIsShownResumedOrTakenBack(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.failing("wrapping-key", 1, &broker.Error{Kind: broker.Denied, Op: "fetch", Object: "wrapping key", Permission: "kms:GetParametersForImport"})
	s := w.refuses(exitPartly, args("import aws payments/db --policy payments"),
		"kms:GetParametersForImport", "changed: material kf-", "keyferry operation resume 2026", "keyferry operation abort 2026")
	w.fault = nil
	unfinished := asks[[]operationRow](w, "operation", "list", "--unfinished")
	if len(unfinished) != 1 || unfinished[0].State != broker.Failed || !strings.Contains(s.stderr, unfinished[0].ID) {
		t.Fatalf("unfinished are %+v", unfinished)
	}
	id := unfinished[0].ID
	if o := asks[broker.OperationView](w, "operation", "show", id); len(o.Effects) == 0 {
		t.Errorf("operation is %+v", o)
	}
	w.must("operation", "resume", id)
	if s := w.must("operation", "resume", id); !strings.Contains(s.stderr, "finished before") {
		t.Errorf("resumed again: %s", s)
	}
	w.refuses(exitMisused, []string{"operation", "abort", id}, "a reason is required: --reason")
	a := asks[broker.Aborted](w, "operation", "abort", id, "--reason", "wrong spec", "--window", "7d")
	if len(a.Scheduled) != 1 || a.Material == "" || a.Operation.State != broker.Abandoned {
		t.Errorf("aborted: %+v", a)
	}
	w.refuses(exitFailed, []string{"operation", "abort", id, "--reason", "again"}, "taken back already")
	w.refuses(exitFailed, []string{"operation", "resume", id}, "taken back")
	w.refuses(exitFailed, args("operation show 20260101T000000-000000000000"), "not found")
}

func TestOrphansAreListed(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	if rows := asks[[]broker.Orphan](w, "inventory", "--orphans"); len(rows) != 0 {
		t.Errorf("orphans are %+v", rows)
	}
	w.refuses(exitFailed, args("inventory --orphans --target nowhere"), "nowhere")
}

func TestAuditIsVerifiedAgainstAHeadKeptElsewhere(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	head := asks[headShown](w, "audit", "head")
	w.must(args("import aws payments/db --policy payments")...)
	report := asks[broker.AuditReport](w, "audit", "verify", "--since", head.Head)
	if len(report.Faults) != 0 || report.Heads < 3 {
		t.Errorf("report is %+v", report)
	}
	foreign := "1:" + strings.Repeat("ab", 32)
	w.refuses(exitFailed, []string{"audit", "verify", "--since", foreign}, "tampered", "find out who changed it")
	for _, bad := range []string{"1", "x:" + head.Hash, "0:" + head.Hash, "1:abc", "1:" + strings.Repeat("zz", 32)} {
		w.refuses(exitMisused, []string{"audit", "verify", "--since", bad}, "is no head")
	}
}

func TestDoctorEndsWithOneWhereSomethingFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	w.refuses(exitFailed, args("doctor"), "findings failed")
	w.must(args("token enrol --environment test")...)
	w.must(args("target enrol aws-test")...)
	d := asks[broker.Diagnosis](w, "doctor")
	if len(d.Matrix) == 0 || len(d.Findings) == 0 {
		t.Errorf("diagnosis is %+v", d)
	}
}

func TestEnrolmentNamesTheEnvironmentTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	for _, line := range []string{"token enrol", "token enrol --environment production"} {
		w.refuses(exitMisused, args(line), "both must name the same")
	}
	if rows := asks[[]targetRow](w, "target", "list"); rows[0].Enrolled != "no" {
		t.Errorf("before: %+v", rows)
	}
	w.must(args("token enrol --environment test")...)
	w.must(args("target enrol aws-test")...)
	if rows := asks[[]targetRow](w, "target", "list"); rows[0].Enrolled != "yes" || rows[0].EnrolledAt.IsZero() {
		t.Errorf("after: %+v", rows)
	}
	w.refuses(exitFailed, args("target enrol aws-tset"), "did you mean aws-test?")
}

func TestEveryFieldOfATargetIsPinned(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	good := strings.ReplaceAll(worldConfig, "ENV", "test")
	for _, more := range []string{
		"endpoint: http://127.0.0.1:1", "sts_endpoint: http://127.0.0.1:1", "proxy: http://127.0.0.1:1", "profile: other",
		"role_arn: arn:aws:iam::111122223333:role/other", "wrapping_key: rsa-3072", "consumer: \"alias/x-{name}\"",
		"deletion_window: 7d", "settle: 1m", "poll: 1s", "ed25519: true", "key_policy: {inline: \"{}\"}",
	} {
		w.configure(strings.Replace(good, "region: eu-central-1", "region: eu-central-1, "+more, 1))
		field, _, _ := strings.Cut(more, ":")
		w.refuses(exitFailed, args("import aws payments/db --policy payments"), field+" is", "enrol again on purpose")
	}
	for old, changed := range map[string]string{"111122223333": "999999999999", "eu-central-1": "eu-west-1", "/usr/lib/some.so": "/usr/lib/other.so", "label: test": "label: other"} {
		w.configure(strings.Replace(good, old, changed, 1))
		w.refuses(exitFailed, args("import aws payments/db --policy payments"), "enrolled", "changed: nothing")
	}
	if report := w.target.Report(); len(report.Names["payments/db"]) != 0 {
		t.Errorf("something was sent: %+v", report)
	}
}
