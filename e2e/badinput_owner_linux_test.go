package e2e_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
)

// nobody owns nothing but what it is given.
const nobody = 65534

// A store that the user of the program may not write, or that is somebody else's.
// Root ignores mode bits: there the program runs as nobody.
func TestStoreOfAnotherOrReadOnly(t *testing.T) {
	t.Parallel()
	s, as := ownedSite(t)
	for _, b := range []bad{
		{name: "read-only", spoil: mode(s.database(), 0o400), heal: mode(s.database(), 0o600), code: 1, says: []string{s.database(), "permission denied", "chmod u+rw " + s.database()}},
		{name: "unreadable", spoil: mode(s.database(), 0o200), heal: mode(s.database(), 0o600), code: 1, says: []string{s.database(), "permission denied", "chmod u+r"}},
	} {
		b.spoil(t, s)
		before := s.sent(t)
		b.explained(t, s.runAs(t, as, s.imports("closed", "aes-256")...))
		b.asksOnly(t, s.sent(t)[len(before):])
		b.heal(t, s)
	}
	if as == nobody {
		fatal(t, os.Chown(s.database(), 0, 0))
		b := bad{code: 1, says: []string{s.database(), "belongs to uid 0", "run keyferry as its owner"}}
		b.explained(t, s.runAs(t, as, s.imports("closed", "aes-256")...))
		fatal(t, os.Chown(s.database(), nobody, nobody))
	}
	if out := s.runAs(t, as, s.imports("closed", "aes-256")...); out.Code != 0 {
		t.Errorf("after it was healed: %s", out)
	}
	s.judge(t, "closed")
}

func mode(path string, m os.FileMode) func(*testing.T, *site) {
	return func(t *testing.T, _ *site) {
		t.Helper()
		fatal(t, os.Chmod(path, m))
	}
}

// runAs is run as another user, who needs to be root for it.
func (s *site) runAs(t *testing.T, uid int, args ...string) e2etest.Outcome {
	t.Helper()
	return s.startAs(t, uid, s.Program, args...).Wait()
}

// owned gives a site to a user, and the directory around it, which is the test's.
func (s *site) owned(t *testing.T, uid int) {
	t.Helper()
	fatal(t, os.Chown(filepath.Dir(s.Dir), uid, uid))
	fatal(t, filepath.WalkDir(s.Dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, uid, uid)
	}))
}

func copied(t *testing.T, from, to string) string {
	t.Helper()
	in, err := os.Open(from)
	fatal(t, err)
	defer func() { check(t, in.Close()) }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o700)
	fatal(t, err)
	_, err = io.Copy(out, in)
	fatal(t, err)
	fatal(t, out.Close())
	return to
}
