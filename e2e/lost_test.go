package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// An answer that is lost, late, cut, refused for now or slow, at each call that
// changes something: one run, one key.
func TestOneRunOutlivesEveryPassingFault(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	s.settle(t, "2s") // what is late comes in time on a busy machine too
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
			if out := s.Run(t, s.imports(name, "hmac-256")...); out.Code != 0 {
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
// never used, and it is listed until it is removed.
func TestATwinThatComesLateIsListed(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	id, err := s.admin.Add(t.Context(), faults.Rule{
		Kind: faults.Late, After: faults.Seconds(time.Hour.Seconds()), Clock: faults.Emulator, Match: faults.Match{Action: "CreateKey"},
	})
	fatal(t, err)
	if out := s.Run(t, s.imports("twice", "aes-256")...); out.Code != 0 {
		t.Fatal(out)
	}
	fatal(t, s.admin.Release(t.Context(), id))
	report, err := s.admin.Report(t.Context())
	fatal(t, err)
	if len(report.Orphans) != 1 {
		t.Fatalf("orphans: %v", report.Orphans)
	}
	out, found := s.Run(t, "inventory", "--orphans", "--output", "json"), []orphan{}
	if out.Code != 0 || !contains(out.Stdout, report.Orphans[0]) {
		t.Errorf("the late key %s is not listed: %s", report.Orphans[0], out)
	}
	if out := s.Run(t, s.imports("twice", "aes-256")...); out.Code != 0 || contains(out.Stdout, report.Orphans[0]) {
		t.Errorf("imported again: %s", out)
	}
	fatal(t, json.Unmarshal([]byte(out.Stdout), &found))
	for range 2 { // the second time it is done already
		if out := s.Run(t, found[0].removal(t)...); out.Code != 0 || !contains(out.Stdout, report.Orphans[0]) {
			t.Errorf("it is not removed: %s", out)
		}
	}
	s.judge(t, "twice")
	s.auditHolds(t)
}

// Several runs at once, for one key and for others: one version each.
func TestRunsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	var runs []*e2etest.Run
	for i := range 8 {
		runs = append(runs, s.Start(t, s.imports(fmt.Sprintf("at-once-%d", i%2), "hmac-256")...))
	}
	finished := 0
	for _, run := range runs {
		out := run.Wait()
		if out.Code == 0 {
			finished++
		} else {
			t.Log(out) // no lease, or SoftHSM, which stumbles among processes: what counts is what arrived
		}
	}
	for i := range 2 {
		if out := s.Run(t, s.imports(fmt.Sprintf("at-once-%d", i), "hmac-256")...); out.Code != 0 {
			t.Error(out)
		}
	}
	if finished == 0 {
		t.Error("none of the runs finished")
	}
	s.judge(t, "at-once-0", "at-once-1")
	s.auditHolds(t)
}

// What was changed a moment ago is seen late: everything still comes to its end,
// renewal included.
func TestEventualConsistencyIsWaitedOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	s.settle(t, "10s")
	fatal(t, s.admin.Configure(t.Context(), awsemu.Change{Settings: &awsemu.Settings{HiddenFor: 1.5}}))
	for _, spec := range []string{"aes-256", "hmac-256"} {
		name := "late-" + spec
		for _, args := range [][]string{
			append(s.imports(name, spec), "--valid-to", "30d"),
			{"verify", name},
			{"renew", name, "--valid-to", "60d", "--reason", "test"},
			{"verify", name},
		} {
			if out := s.Run(t, args...); out.Code != 0 {
				t.Errorf("keyferry %s %s: %s", args[0], name, out)
			}
		}
	}
	fatal(t, s.admin.Configure(t.Context(), awsemu.Change{Settings: &awsemu.Settings{}}))
	s.judge(t, "late-aes-256", "late-hmac-256")
}

// A CA that somebody put into the environment counts for nothing.
func TestCAOfTheEnvironmentDoesNotCount(t *testing.T) {
	t.Parallel()
	s := bareSite(t, softtoken.SoftHSM)
	text, err := os.ReadFile(s.Config)
	fatal(t, err)
	ca := filepath.Join(s.Dir, "ca.pem")
	fatal(t, os.WriteFile(s.Config, []byte(strings.Replace(string(text), "    ca_file: "+ca+"\n", "", 1)), 0o600))
	s.Env = append(s.Env, "SSL_CERT_FILE="+ca, "SSL_CERT_DIR="+s.Dir)
	s.Enrol(t)
	if out := s.Run(t, "target", "enrol", "aws"); out.Code == 0 || !contains(out.Stderr, "certificate") {
		t.Errorf("the environment's CA was believed: %s", out)
	}
}

// A pipe could say one key policy to who uses it and another to who checks it.
func TestAPipeIsNoKeyPolicy(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	pipe := filepath.Join(s.Dir, "policy.json")
	fatal(t, syscall.Mkfifo(pipe, 0o600))
	text, err := os.ReadFile(s.Config)
	fatal(t, err)
	fatal(t, os.WriteFile(s.Config, []byte(strings.Replace(string(text), "    settle:", "    key_policy: {file: "+pipe+"}\n    settle:", 1)), 0o600))
	if out := s.Run(t, s.imports("piped", "aes-256")...); out.Code == 0 || !contains(out.Stderr, "not a regular file") {
		t.Errorf("%s", out)
	}
	s.judge(t)
}
