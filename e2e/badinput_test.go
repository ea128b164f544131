package e2e_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// bad is one way in which a site is wrong, and what the program is to say of it.
type bad struct {
	name    string
	spoil   func(*testing.T, *site) // makes it so
	args    func(*site) []string    // what is run; nil is an import
	code    int
	says    []string // words of stderr
	never   []string // what it must not say
	changed string   // words of the line "changed:"; "" is nothing
	asked   string   // the actions that may arrive at the cloud; "" is none at all
	logins  []int    // how often the PIN may be tried; nil is at most once
	heal    func(*testing.T, *site)
}

// The actions that only look, for bad.asked.
const reads = "GetCallerIdentity|GetKeyPolicy|GetPublicKey|Describe.*|List.*"

// state is what of a site spoiling changes, apart from what it heals by itself.
type state struct {
	config []byte
	env    []string
}

func (s *site) state(t *testing.T) state {
	t.Helper()
	text, err := os.ReadFile(s.Config)
	fatal(t, err)
	return state{text, slices.Clone(s.Env)}
}

// healed puts everything back that is wrong in most cases.
func (s *site) healed(t *testing.T, before state) {
	t.Helper()
	s.Env = before.env
	fatal(t, os.WriteFile(s.Config, before.config, 0o600))
	fatal(t, os.Chmod(s.Config, 0o600))
	s.Shim.Set(shim.Condition{})
	fatal(t, s.admin.Remove(t.Context(), ""))
	_, err := s.admin.SetOffset(t.Context(), 0)
	fatal(t, err)
	fatal(t, s.admin.Configure(t.Context(), awsemu.Change{AccessKeys: []awsemu.AccessKey{{ID: s.AWS.Credentials().ID}}}))
}

// edit replaces words of the config.
func edit(old, with string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		t.Helper()
		text := string(s.state(t).config)
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in the config:\n%s", old, text)
		}
		fatal(t, os.WriteFile(s.Config, []byte(strings.Replace(text, old, with, 1)), 0o600))
	}
}

func arguments(args ...string) func(*site) []string {
	return func(*site) []string { return args }
}

// refusesAll goes through the table on one site: each is refused in the right
// words, nothing is sent, and once it is healed the same import finishes.
func (s *site) refusesAll(t *testing.T, table []bad) {
	t.Helper()
	var names []string
	for i, b := range table {
		name := fmt.Sprintf("bad-%d", i)
		t.Run(b.name, func(t *testing.T) { s.refuses(t, name, b) })
		names = append(names, name)
	}
	s.judge(t, names...)
	s.auditHolds(t)
	if out := s.Run(t, "verify", "--all"); out.Code != 0 {
		t.Errorf("what was there before no longer holds: %s", out)
	}
}

func (s *site) refuses(t *testing.T, name string, b bad) {
	t.Helper()
	before := s.state(t)
	if b.spoil != nil {
		b.spoil(t, s)
	}
	args := s.imports(name, "aes-256")
	if b.args != nil {
		args = b.args(s)
	}
	sent, tried := s.sent(t), len(s.Shim.Calls("C_Login"))
	out := s.Run(t, args...)
	b.explained(t, out)
	b.asksOnly(t, s.sent(t)[len(sent):])
	b.triesPIN(t, len(s.Shim.Calls("C_Login"))-tried)
	s.healed(t, before)
	if b.heal != nil {
		b.heal(t, s)
	}
	if out := s.Run(t, s.imports(name, "aes-256")...); out.Code != 0 {
		t.Fatalf("after it was healed: %s", out)
	}
}

// explained: what happened, why, whether anything was changed and what to do.
func (b bad) explained(t *testing.T, out e2etest.Outcome) {
	t.Helper()
	t.Log(out)
	if out.Code != b.code {
		t.Errorf("want exit %d: %s", b.code, out)
	}
	changed := "  changed: nothing\n"
	if b.changed != "" {
		changed = "  changed: "
	}
	for _, words := range append([]string{"keyferry: ", changed, b.changed, "  do:      "}, b.says...) {
		if !strings.Contains(out.Stderr, words) {
			t.Errorf("%q is not said: %s", words, out)
		}
	}
	for _, words := range b.never {
		if strings.Contains(out.Stderr+out.Stdout, words) {
			t.Errorf("%q is said: %s", words, out)
		}
	}
	if out.Stdout != "" {
		t.Errorf("a refusal is no answer: %s", out)
	}
}

func (b bad) asksOnly(t *testing.T, calls []faults.CallState) {
	t.Helper()
	allowed := regexp.MustCompile("^(?:" + b.asked + ")$")
	for _, c := range calls {
		if b.asked == "" || !allowed.MatchString(c.Action) {
			t.Errorf("%s arrived at the cloud", c.Action)
		}
	}
}

func (b bad) triesPIN(t *testing.T, tries int) {
	t.Helper()
	allowed := b.logins
	if allowed == nil {
		allowed = []int{0, 1}
	}
	if !slices.Contains(allowed, tries) {
		t.Errorf("the PIN was tried %d times, want %v", tries, allowed)
	}
}

// sent is every call that arrived at the cloud so far.
func (s *site) sent(t *testing.T) []faults.CallState {
	t.Helper()
	calls, err := s.admin.Calls(t.Context(), faults.CallQuery{})
	fatal(t, err)
	return calls
}
