package main

import (
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// TestTokenShowsItsKeeperKeys: what each guards and whether it is there, for people and
// for programs.
func TestTokenShowsItsKeeperKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	if shown := asks[tokenShown](w, "token", "show"); len(shown.Keepers) != 0 || len(shown.Plans) == 0 {
		t.Errorf("before it is enrolled: %+v", shown.Keepers)
	}
	w = enrolledWorld(t, "test")
	w.must(args("import aws kept/one --spec aes-256 --target aws-test --retain wrapped")...)
	w.must(args("import aws kept/two --spec aes-256 --target aws-test --retain wrapped")...)
	shown := asks[tokenShown](w, "token", "show").Keepers
	if len(shown) != 1 || shown[0].State != broker.KeeperCurrent || shown[0].Records != 2 || !shown[0].Held || shown[0].MadeAt.IsZero() || shown[0].Fault != "" {
		t.Fatalf("%+v", shown)
	}
	id := string(shown[0].ID)
	row := func() string {
		t.Helper()
		for line := range strings.Lines(w.must("token", "show").out) {
			if strings.HasPrefix(line, id) {
				return strings.Join(strings.Fields(line), " ")
			}
		}
		t.Fatalf("no row of %s", id)
		return ""
	}
	made := shown[0].MadeAt.UTC().Format("2006-01-02T15:04:05Z")
	if want := id + " current " + made + " 2 yes"; row() != want {
		t.Errorf("the table has %q, want %q", row(), want)
	}
	w.ok(w.token.DestroyKeeper(t.Context(), shown[0].ID))
	if want := id + " current " + made + " 2 no missing: the token has no such object"; !strings.HasPrefix(row(), want) {
		t.Errorf("the table has %q, want %q", row(), want)
	}
	if s := w.must("token", "show"); !strings.Contains(s.out, "restore the token from its backup") {
		t.Errorf("%s", s)
	}
}
