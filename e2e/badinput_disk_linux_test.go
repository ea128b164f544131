package e2e_test

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// onSmallDisk is a site whose store, and nothing else, is on a file system of its
// own, of two megabytes.
func onSmallDisk(t *testing.T) (s *site, disk string) {
	t.Helper()
	s = bareSite(t, softtoken.SoftHSM)
	disk = e2etest.Disk(t, s.Dir, "2m")
	edit("store: "+s.database(), "store: "+filepath.Join(disk, "keyferry.db"))(t, s)
	s.Enrol(t, "aws")
	return s, disk
}

// A disk that is full before an import, and one that gets full at each call of it:
// what was sent is found again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if inside, _ := e2etest.Isolated(t); !inside {
		return
	}
	s, disk := onSmallDisk(t)
	s.refusesAll(t, []bad{{
		name: "full", code: 1, asked: reads,
		spoil: func(t *testing.T, _ *site) { t.Helper(); fatal(t, e2etest.Fill(disk)) },
		heal:  func(t *testing.T, _ *site) { t.Helper(); fatal(t, e2etest.MakeRoom(disk)) },
		says:  []string{"keyferry.db", "full", "make room"},
	}})
	names := []string{"bad-0"}
	for _, action := range []string{"CreateKey", "ImportKeyMaterial", "CreateAlias"} {
		name := "full-at-" + action
		s.fullAt(t, disk, action, name)
		names = append(names, name)
	}
	s.judge(t, names...)
	s.auditHolds(t)
}

func (s *site) fullAt(t *testing.T, disk, action, name string) {
	t.Helper()
	run, held := s.held(t, s.admin, faults.Rule{When: faults.After, Match: faults.Match{Action: action}}, s.imports(name, "aes-256")...)
	fatal(t, e2etest.Fill(disk))
	held.Remove(t)
	out := run.Wait()
	t.Log(out)
	for _, words := range []string{"full", "make room"} {
		if out.Code == 0 || !contains(out.Stderr, words) {
			t.Errorf("full at %s, %q is not said: %s", action, words, out)
		}
	}
	if contains(out.Stderr, "changed: nothing") {
		t.Errorf("%s was done, and is not told of: %s", action, out)
	}
	fatal(t, e2etest.MakeRoom(disk))
	s.Must(t, s.imports(name, "aes-256")...)
}

// A file system that may only be read: lists still come, changes do not begin.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	if inside, _ := e2etest.Isolated(t); !inside {
		return
	}
	s, disk := onSmallDisk(t)
	s.refusesAll(t, []bad{{
		name: "read-only file system", code: 1, asked: reads,
		spoil: func(t *testing.T, _ *site) {
			t.Helper()
			fatal(t, unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		},
		heal: func(t *testing.T, _ *site) { t.Helper(); fatal(t, unix.Mount("", disk, "", unix.MS_REMOUNT, "")) },
		says: []string{"keyferry.db", "read-only file system", "remount it"},
	}})
}
