package e2e_test

import (
	"slices"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
)

// objectWrites are the calls that make objects in the token, and destroy them.
var objectWrites = []string{"C_GenerateKey", "C_CreateObject", "C_CopyObject", "C_DestroyObject"}

// changes are the calls of a line that nothing disturbs which change something.
func (s *site) changes(t *testing.T, args []string) []call {
	t.Helper()
	return slices.DeleteFunc(s.tokenCalls(t, args), func(c call) bool { return !c.write })
}

// killEverywhere kills a command after each of these calls that is to one of some
// functions. Until the next call nothing changes but by a commit, and what is put on
// record is sealed within its commit: so it is killed before a call too that follows
// something sealed, and before the commits that seal nothing, which are the first, and
// those that come between a call and something sealed. Each time it is another command.
func (s *site) killEverywhere(t *testing.T, calls []call, at []string, command func() []string) (kills int) {
	t.Helper()
	s.killAtCommit(t, call{name: "C_Login", nth: 1}, command())
	kills++
	for i, c := range calls {
		if !slices.Contains(at, c.name) {
			continue
		}
		if i == 0 || calls[i-1].name == "C_Sign" {
			s.killAtTokenCall(t, c, shim.Before, command())
			kills++
		}
		s.killAtTokenCall(t, c, shim.After, command())
		kills++
		if c.name != "C_Sign" && i+1 < len(calls) && calls[i+1].name == "C_Sign" {
			s.killAtCommit(t, c, command())
			kills++
		}
	}
	return kills
}

// killAtCommit kills a command that wants to put on record what comes after a call to the
// token, while another program has the store, and runs it again.
func (s *site) killAtCommit(t *testing.T, c call, args []string) {
	t.Helper()
	run, point := s.heldAtToken(t, c, shim.After, args)
	unlock := e2etest.Lock(t, s.database())
	point.Remove()
	s.Quiet(t, run)
	kill(t, run)
	unlock()
	if out := s.Run(t, args...); out.Code != 0 {
		t.Fatalf("killed at the commit after %s number %d, and started again: %s", c.name, c.nth, out)
	}
}
