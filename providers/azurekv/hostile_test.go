package azurekv_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/azurekv"
)

// each calls everything that answers about the key, or a version of it.
func each(t *testing.T, s *script, p *azurekv.Provider) map[string]error {
	t.Helper()
	out, key, v := map[string]error{}, s.ref(), s.version()
	_, out["make a KEK"] = p.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{Key: key, Mechanism: broker.KWPSHA1})
	_, out["fetch a KEK"] = p.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{Key: key, Mechanism: broker.KWPSHA1, Kept: s.kek()})
	_, out["import"] = p.Import(t.Context(), effect(broker.StepImport), s.importing())
	for kind, of := range map[broker.ActionKind]broker.VersionRef{
		broker.Disable: v, broker.Enable: v, broker.SetEnd: v, broker.Schedule: {Key: key}, broker.Cancel: {Key: key},
	} {
		_, out[string(kind)] = p.Do(t.Context(), effect(broker.StepEnable), of, broker.Action{Kind: kind, ValidTo: time.Now().Add(time.Hour)})
	}
	for name, q := range map[string]broker.Query{
		"key": {Key: &key}, "version": {Version: &v}, "versions": {Versions: &key}, "all": {All: true}, "effect": {Effect: "kf-1"},
		"name": {Name: "payments-db"}, "consumer": {Consumer: key.ID},
	} {
		_, out["look at "+name] = look(t, p, q)
	}
	_, out["prove"] = p.Prove(t.Context(), v, challenge(v, broker.ECP256, broker.Sign))
	_, out["identify"] = p.Identify(t.Context())
	return out
}

func challenge(v broker.VersionRef, spec broker.KeySpec, purpose broker.Purpose) broker.Challenge {
	c, err := broker.NewChallenge(broker.ChallengeSubject{Ref: v, Level: broker.ProofPublicKey, Spec: spec, Purpose: purpose}, time.Now())
	if err != nil {
		panic(err)
	}
	return c
}

// TestAnswersAboutOthers: every id in an answer is held against the vault, and what was
// asked for.
func TestAnswersAboutOthers(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]func(s *script) (key, version string){
		"another vault": func(s *script) (string, string) {
			return strings.Replace(s.ref().ID, "//test.", "//evil.", 1), someVersion
		},
		"another port": func(s *script) (string, string) {
			return strings.Replace(s.ref().ID, ":"+s.port(t), ":1", 1), someVersion
		},
		"plain HTTP": func(s *script) (string, string) { return strings.Replace(s.ref().ID, "https", "http", 1), someVersion },
		"a user": func(s *script) (string, string) {
			return strings.Replace(s.ref().ID, "https://", "https://a@", 1), someVersion
		},
		"a longer domain": func(s *script) (string, string) {
			return strings.Replace(s.ref().ID, ".localhost", ".localhost.evil", 1), someVersion
		},
		"a secret": func(s *script) (string, string) {
			return strings.Replace(s.ref().ID, "/keys/", "/secrets/", 1), someVersion
		},
		"a longer path":  func(s *script) (string, string) { return s.ref().ID + "/x", someVersion },
		"an odd version": func(s *script) (string, string) { return s.ref().ID, "latest" },
		"a query":        func(s *script) (string, string) { return s.ref().ID, someVersion + "?x" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var answers map[string]string
			s := newScript(t, func(a asking, w http.ResponseWriter) { saying(answers)(a, w) })
			answers = about(id(s))
			for call, err := range each(t, s, adapter(t, s)) {
				lists := call == "identify" || call == "look at all" || call == "look at effect"
				if name == "an odd version" && lists || name == "a query" && lists {
					continue // these ask for no version first
				}
				if err == nil || inWords(t, err).Kind != broker.Tampered {
					t.Errorf("%s: %v", call, err)
				}
			}
		})
	}
}

// TestAnswersAboutAnotherKey of this vault, or another version.
func TestAnswersAboutAnotherKey(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]func(s *script) (key, version string){
		"key":     func(s *script) (string, string) { return s.URL + "/keys/others", someVersion },
		"version": func(s *script) (string, string) { return s.ref().ID, kekVersion },
	} {
		var answers map[string]string
		s := newScript(t, func(a asking, w http.ResponseWriter) { saying(answers)(a, w) })
		answers = about(id(s))
		for call, err := range each(t, s, adapter(t, s)) {
			switch call {
			case "identify", "look at all", "look at effect":
				continue // of every key
			case "import", "schedule", "cancel", "look at key", "look at name", "look at consumer", "look at versions":
				if name == "version" {
					continue // of any version
				}
			}
			if err == nil || inWords(t, err).Kind != broker.Tampered {
				t.Errorf("another %s, %s: %v", name, call, err)
			}
		}
	}
}

// TestAnswersInOtherLetters: identifiers compare without case.
func TestAnswersInOtherLetters(t *testing.T) {
	t.Parallel()
	var answers map[string]string
	s := newScript(t, func(a asking, w http.ResponseWriter) { saying(answers)(a, w) })
	answers = about(strings.Replace(strings.ToUpper(s.ref().ID), "/KEYS/", "/keys/", 1), strings.ToUpper(someVersion))
	for call, err := range each(t, s, adapter(t, s)) {
		if !strings.HasSuffix(call, "KEK") && err != nil {
			t.Errorf("%s: %v", call, err)
		}
	}
}

// TestAnswersWithoutContent: of a change nobody knows what it did, a read failed.
func TestAnswersWithoutContent(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty": `{}`, "null": `{"key":null,"attributes":null,"value":[{}]}`, "no id": `{"key":{},"attributes":{},"value":[{}]}`,
		"cut": `{"key":{"kid":"htt`, "text": `hello`, "nothing": ``, "list": `[]`,
	} {
		s := newScript(t, func(_ asking, w http.ResponseWriter) { _, _ = io.WriteString(w, body) })
		for call, err := range each(t, s, adapter(t, s)) {
			want := broker.Unavailable
			switch call {
			case "make a KEK", "import", "disable", "enable", "set-end", "schedule", "cancel":
				want = broker.Unclear
			}
			if err == nil || inWords(t, err).Kind != want {
				t.Errorf("%s: %s: %v", name, call, err)
			}
		}
	}
}

// TestListsThatLeadElsewhere get no token there.
func TestListsThatLeadElsewhere(t *testing.T) {
	t.Parallel()
	trap := newBare(t, func(_ asking, w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) })
	for _, next := range []string{trap.URL + "/keys", strings.Replace(trap.URL, "https", "http", 1) + "/keys", "//evil", "::"} {
		s := newScript(t, func(_ asking, w http.ResponseWriter) {
			_, _ = io.WriteString(w, object{"value": []object{}, "nextLink": next}.String())
		})
		p := adapter(t, s)
		for _, q := range []broker.Query{{All: true}, {Versions: new(s.ref())}} {
			if _, err := look(t, p, q); err == nil {
				t.Errorf("%q was followed", next)
			} else if e := inWords(t, err); strings.HasPrefix(next, "https") && e.Kind != broker.Tampered {
				t.Errorf("%q: %v", next, err)
			}
		}
	}
	if len(trap.asked()) > 0 {
		t.Errorf("asked there: %v", trap.asked())
	}
}

// TestListsThatDoNotEnd with nothing on their pages.
func TestListsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	var s *script
	s = newScript(t, func(_ asking, w http.ResponseWriter) {
		next := s.URL + "/keys?again=" + strconv.Itoa(len(s.asked()))
		_, _ = io.WriteString(w, object{"value": []object{}, "nextLink": next}.String())
	})
	p := adapter(t, s)
	if _, err := look(t, p, broker.Query{All: true}); inWords(t, err).Kind != broker.Unavailable || !strings.Contains(err.Error(), "does not end") {
		t.Errorf("%v", err)
	}
	if n := len(s.authorised()); n > 1100 {
		t.Errorf("asked %d times", n)
	}
	if _, err := p.Identify(t.Context()); err != nil {
		t.Errorf("identify, which needs no key: %v", err)
	}
}

// TestListsThatLeadBack, with something on each of their pages.
func TestListsThatLeadBack(t *testing.T) {
	t.Parallel()
	var s *script
	s = newScript(t, func(a asking, w http.ResponseWriter) {
		answers, next := about(s.ref().ID, someVersion), map[string]string{"": "a", "a": "b", "b": "a"}
		page := func(kid string) string {
			return object{"value": []object{{"kid": kid}}, "nextLink": s.URL + a.path + "?" + next[a.query[strings.LastIndexByte(a.query, '=')+1:]]}.String()
		}
		if strings.HasPrefix(a.query, "api-version") {
			a.query = ""
		}
		answers["ListKeys"], answers["ListKeyVersions"], answers["ListDeletedKeys"] = page(s.ref().ID), page(s.ref().ID+"/"+someVersion), page(s.ref().ID)
		saying(answers)(a, w)
	})
	p := adapter(t, s)
	for name, q := range map[string]broker.Query{"all": {All: true}, "versions": {Versions: new(s.ref())}, "effect": {Effect: "kf-1"}} {
		if _, err := look(t, p, q); inWords(t, err).Kind != broker.Unavailable || !strings.Contains(err.Error(), "does not end") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(s.authorised()); n > 30 {
		t.Errorf("asked %d times", n)
	}
}

// TestRedirectsAreNotFollowed, not even to the same vault.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	trap := newBare(t, func(_ asking, w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) })
	s := newScript(t, func(_ asking, w http.ResponseWriter) {
		w.Header().Set("Location", trap.URL+"/keys/payments-db")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	for call, err := range each(t, s, adapter(t, s)) {
		if err == nil {
			t.Errorf("%s was followed", call)
		}
	}
	if len(trap.asked()) > 0 {
		t.Errorf("asked there: %v", trap.asked())
	}
}
