package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// A production PIN is never in a memory that was left open; elsewhere it is said.
func TestOpenMemoryIsNotForProduction(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value, environment string
		refused            bool
	}{
		{"", broker.Production, false},
		{"0", broker.Production, false},
		{"1", "test", false},
		{"1", broker.Production, true},
	} {
		var said bytes.Buffer
		p := &program{stderr: &said, getenv: func(name string) string {
			if name != dumpableVariable {
				t.Errorf("asked for %s", name)
			}
			return c.value
		}}
		err := p.mayHoldPIN(c.environment)
		if c.refused != errors.Is(err, broker.Denied) || !c.refused && err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if c.value != "1" {
			continue
		}
		if err := p.closeMemory(); err != nil || !strings.Contains(said.String(), "the PIN and the credentials in it") {
			t.Errorf("%v: said %q", err, &said)
		}
	}
}
