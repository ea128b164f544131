package providertest_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/memory/memorytest"
	"github.com/keyferry/keyferry/providers/providertest"
)

// broken is a promise, and a provider of some shape that breaks it.
type broken struct {
	check string
	shape func() broker.Capabilities
	lie   lie
}

// one is a key's first ref in a target of memory; firstKept its first wrapping key.
const (
	one       = "memory:tests:key/1"
	firstKept = "memory:tests:wrapping-key/1"
)

// quietly is a provider's kind of target whose checks give up soon.
func quietly(b broken) providertest.Setup {
	open := memorytest.Open(b.shape)
	return providertest.Setup{Lacks: memorytest.Lacks(), Open: func(t *testing.T) providertest.Target {
		t.Helper()
		target := open(t)
		l := &liar{Provider: target.Provider}
		b.lie(l)
		target.Provider, target.Soon = l, 100*time.Millisecond
		return target
	}}
}

func honest(*liar) {}

func everyBroken() [][]broken {
	return [][]broken{
		brokenKeys(), brokenImports(), brokenRefusals(), brokenActions(), brokenProofs(), brokenNumbered(), brokenPrimaries(),
		brokenNewest(), brokenKept(), faulty(),
	}
}

// TestABrokenPromiseIsFound: each check fails for a provider that breaks its promise,
// and for that reason: the same provider passes it else.
func TestABrokenPromiseIsFound(t *testing.T) {
	t.Parallel()
	for _, group := range everyBroken() {
		for _, b := range group {
			t.Run(b.check, func(t *testing.T) {
				t.Parallel()
				err, made := providertest.Outcome(t, quietly(b), b.check)
				if err == nil || !made {
					t.Errorf("it is not found (made: %v)", made)
				}
				t.Logf("found: %v", err)
				b.lie = honest
				if err, _ := providertest.Outcome(t, quietly(b), b.check); err != nil {
					t.Errorf("an honest provider: %v", err)
				}
			})
		}
	}
}

// kindOf takes the key spec, mechanism or call out of a check's name.
func kindOf(check string) string {
	if _, fault, ok := strings.Cut(check, ": "); ok {
		return fault
	}
	return regexp.MustCompile(`^import (and prove )?\S+ (for|by) \S+$`).ReplaceAllString(check, "import ${1}something $2 something")
}

// unbreakable are checks of what no target in memory shows.
var unbreakable = map[string]string{
	"a key of another account is tampering":                          "it has no accounts",
	"a kept wrapping key of another account is tampering":            "it has no accounts",
	"an answer about another account is tampering":                   "it has no accounts",
	"what was made a moment ago is waited for":                       "it is consistent",
	"an answer cut short is unclear, or not needed, and it happened": "nothing is sent",
	"an answer cut short for good is unavailable":                    "nothing is sent",
	"a slow answer is an answer":                                     "nothing is sent",
}

// TestEveryPromiseIsBroken by some provider here.
func TestEveryPromiseIsBroken(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, group := range everyBroken() {
		for _, b := range group {
			shown[kindOf(b.check)] = true
		}
	}
	for _, name := range providertest.Names() {
		kind := kindOf(name)
		if shown[kind] == (unbreakable[kind] != "") {
			t.Errorf("%q: broken here %v, unbreakable because %q", kind, shown[kind], unbreakable[kind])
		}
	}
}
