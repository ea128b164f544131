package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/faults"
)

// newSiteApart is a site whose token is in another process: what is in memory here is
// the program's own. The shim is in the program, in front of the relay.
func newSiteApart(t *testing.T) *site {
	t.Helper()
	client := relayModule(t)
	s := bareSiteOf(t, softtoken.SoftHSM, siteOptions{module: client, reveal: true})
	relay, stop, err := s.Token.Serve(t.Context())
	fatal(t, err)
	t.Cleanup(func() { check(t, stop()) })
	temp := filepath.Join(s.Dir, "tmp")
	fatal(t, os.Mkdir(temp, 0o700))
	s.Env = slices.DeleteFunc(s.Env, func(e string) bool { return strings.HasPrefix(e, "SOFTHSM2_CONF=") })
	s.Env = append(s.Env, relay, "TMPDIR="+temp, "KEYFERRY_DUMPABLE=1")
	s.Enrol(t, "aws")
	return s
}

// relayModule is the side of p11-kit's relay that a program loads.
func relayModule(t *testing.T) string {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv(softtoken.SkipVariable), ","), "p11-kit") {
		t.Skip("left out by " + softtoken.SkipVariable)
	}
	module, err := softtoken.RelayModule()
	fatal(t, err)
	return module
}

// plansFound puts into what is kept of the probe that AES keys can be wrapped directly.
// The probe tries such a key by AES-ECB, which the relay does not let through.
func (s *site) plansFound(t *testing.T) {
	t.Helper()
	if out := s.Run(t, "doctor"); !strings.Contains(out.Stdout, "hmac-256") {
		t.Fatal(out)
	}
	kept, err := filepath.Glob(filepath.Join(s.Dir, "plans-*.json"))
	fatal(t, err)
	if len(kept) != 1 {
		t.Fatalf("what was probed is kept in %v", kept)
	}
	text, err := os.ReadFile(kept[0])
	fatal(t, err)
	var cache map[string]any
	fatal(t, json.Unmarshal(text, &cache))
	for _, row := range cache["plans"].([]any) {
		if plan := row.(map[string]any); plan["spec"] == "aes-256" && plan["mechanism"] == "rsa-oaep-sha1" {
			plan["way"], plan["works"], plan["conforming"], plan["reason"] = "direct", true, true, ""
		}
	}
	text, err = json.Marshal(cache)
	fatal(t, err)
	fatal(t, os.WriteFile(kept[0], text, 0o600))
}

// dumpAt takes the memory of a run while a call to the token is held after it was done.
func (s *site) dumpAt(t *testing.T, when string, run *e2etest.Run, p *shim.Point) dump {
	t.Helper()
	if _, err := p.Wait(run.Alive(t)); err != nil {
		t.Fatalf("%s was never reached: %s", when, run.Wait())
	}
	d := dumped(t, when, run.Cmd.Process.Pid)
	p.Remove()
	return d
}

// dumpWhile takes it while a call to the cloud is held.
func (s *site) dumpWhile(t *testing.T, when string, run *e2etest.Run, fault string) dump {
	t.Helper()
	if run.Waits(t, s.admin, faults.CallQuery{Fault: fault, State: faults.Held}); run.Over() {
		t.Fatalf("%s was never reached: %s", when, run.Wait())
	}
	d := dumped(t, when, run.Cmd.Process.Pid)
	fatal(t, s.admin.Remove(t.Context(), fault))
	return d
}

func (s *site) hold(t *testing.T, action string, when faults.When) string {
	t.Helper()
	id, err := s.admin.Add(t.Context(), faults.Rule{Kind: faults.Hold, When: when, Match: faults.Match{Action: action}, Nth: 1})
	fatal(t, err)
	return id
}

// No byte of a key is in the program: not in its memory while the key is made, wrapped,
// sent and after, not in its files, not in what it says. The same search finds the
// import token in the Go heap, and the wrapped material in the C heap, where they belong.
func TestNoKeyByteInTheBroker(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"aes-256", "hmac-512"} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			s := newSiteApart(t)
			s.plansFound(t)
			if out := s.Run(t, s.imports("first", spec)...); out.Code != 0 {
				t.Fatal(out)
			}
			made := s.Shim.On(shim.Rule{Function: "C_GenerateKey", TokenObject: true, Nth: 1, When: shim.After, Hold: true})
			wrapped := s.Shim.On(shim.Rule{Function: "C_WrapKey", Nth: 1, When: shim.After, Hold: true})
			sent, last := s.hold(t, "ImportKeyMaterial", faults.Before), s.hold(t, "CreateAlias", faults.After)
			run := s.Start(t, append(s.imports("searched", spec), "--verbose")...)
			dumps := []dump{
				s.dumpAt(t, "step 3, generated", run, made),
				s.dumpAt(t, "step 6, wrapped", run, wrapped),
				s.dumpWhile(t, "step 7, sent", run, sent),
				s.dumpWhile(t, "step 9, after it", run, last),
			}
			out := run.Wait()
			if out.Code != 0 {
				t.Fatal(out)
			}
			known := s.revealed(t, "searched")
			s.searchMemory(t, known, dumps)
			s.searchElsewhere(t, known, out)
		})
	}
}

// revealed is what the emulator unwrapped of a key the first time.
func (s *site) revealed(t *testing.T, name string) faults.Revealed {
	t.Helper()
	all, err := s.admin.Revealed(t.Context())
	fatal(t, err)
	for _, r := range all {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no material of %s arrived", name)
	return faults.Revealed{}
}

func (s *site) searchMemory(t *testing.T, known faults.Revealed, dumps []dump) {
	t.Helper()
	for _, d := range dumps {
		t.Logf("%s: %d KiB", d.when, d.size()>>10)
		if d.size() < 4<<20 {
			t.Errorf("%s: %d bytes are no program", d.when, d.size())
		}
		for where, n := range d.places(forms(known.Raw)...) {
			if n > 0 {
				t.Errorf("%s: the key is in the %s, %d times", d.when, where, n)
			}
		}
	}
	if found := dumps[1].places(known.Wrapped); found[cHeap] == 0 {
		t.Errorf("the wrapped material is not found in the C heap, where the token has just put it: %v", found)
	}
	if found := dumps[2].places(forms(known.Token)...); found[goHeap] == 0 {
		t.Errorf("the import token is not found in the Go heap, while it is sent: %v", found)
	}
}

// searchElsewhere looks in what the program wrote: database with its log, temporary
// files, what was probed, what it said, what the audit says.
func (s *site) searchElsewhere(t *testing.T, known faults.Revealed, out e2etest.Outcome) {
	t.Helper()
	found, searched := filesWith(t, s.Dir, known.Raw, filepath.Join(s.Dir, "token"))
	if len(found) > 0 || searched < 4 {
		t.Errorf("of %d files the key is in %v", searched, found)
	}
	if found, _ := filesWith(t, s.Dir, []byte(known.Key), filepath.Join(s.Dir, "token")); !slices.Contains(found, s.database()) {
		t.Errorf("the name of the key at the cloud is in %v, and not in the database", found)
	}
	for name, text := range map[string]string{
		"what it said": out.Stdout + out.Stderr,
		"the audit":    s.Run(t, "audit", "list", "--output", "json").Stdout,
		"the key":      s.Run(t, "key", "show", "searched", "--output", "json").Stdout,
	} {
		if len(text) < 100 || holds([]byte(text), known.Raw) {
			t.Errorf("%s holds the key, or says nothing: %s", name, text)
		}
	}
}
