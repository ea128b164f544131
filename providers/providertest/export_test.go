package providertest

import (
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// Names of every check there is.
func Names() []string {
	var names []string
	for _, c := range everyCheck() {
		names = append(names, c.name)
	}
	return names
}

// Outcome is what a kind of target makes of one check; made is false for one that its
// capabilities rule out.
func Outcome(t *testing.T, s Setup, name string) (err error, made bool) { //nolint:revive // an error that is the subject, not the failure of this
	t.Helper()
	for _, c := range everyCheck() {
		if c.name != name {
			continue
		}
		if c.when != nil && !c.when(s.Open(t).Provider.Capabilities()) {
			return nil, false
		}
		return s.outcome(t, c, &shared{made: map[broker.KeySpec]material{}}), true
	}
	t.Fatalf("there is no check %q", name)
	return nil, false
}
