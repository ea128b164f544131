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
	disk = e2etest.Disk(t, s.dir, "2m")
	edit("store: "+s.database(), "store: "+filepath.Join(disk, "keyferry.db"))(t, s)
	s.enrol(t)
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
	id, err := s.admin.Add(t.Context(), faults.Rule{Kind: faults.Hold, When: faults.After, Match: faults.Match{Action: action}})
	fatal(t, err)
	run := s.start(t, s.imports(name, "aes-256")...)
	if _, err := s.admin.Wait(soon(t), faults.CallQuery{Fault: id, State: faults.Held}); err != nil {
		t.Fatalf("%s was never reached: %v: %s", action, err, run.wait())
	}
	fatal(t, e2etest.Fill(disk))
	fatal(t, s.admin.Remove(t.Context(), id))
	out := run.wait()
	t.Log(out)
	for _, words := range []string{"full", "make room"} {
		if out.code == 0 || !contains(out.stderr, words) {
			t.Errorf("full at %s, %q is not said: %s", action, words, out)
		}
	}
	if contains(out.stderr, "changed: nothing") {
		t.Errorf("%s was done, and is not told of: %s", action, out)
	}
	fatal(t, e2etest.MakeRoom(disk))
	s.done(t, s.imports(name, "aes-256")...)
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
