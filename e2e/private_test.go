package e2e_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// startUnder starts the program under a umask.
func (s *site) startUnder(t *testing.T, umask string, args ...string) *e2etest.Run {
	t.Helper()
	return s.StartCommand(t, exec.CommandContext(t.Context(), "sh", append([]string{"-c", "umask " + umask + `; exec "$0" "$@"`, s.Program}, args...)...))
}

// What the program makes is its user's alone, whatever the umask allows or forbids:
// config, store with what SQLite keeps beside it, backup, and what was probed.
func TestFilesAreTheOwnersAlone(t *testing.T) {
	t.Parallel()
	for _, umask := range []string{"000", "022", "377"} {
		t.Run(umask, func(t *testing.T) {
			t.Parallel()
			s := bareSite(t, softtoken.SoftHSM)
			must := func(args ...string) {
				t.Helper()
				if out := s.startUnder(t, umask, args...).Wait(); out.Code != 0 {
					t.Fatalf("keyferry %s: %s", strings.Join(args, " "), out)
				}
			}
			fresh := filepath.Join(s.Dir, "fresh.yaml")
			must("init", "--config", fresh, "--module", s.Token.Module, "--label", "e2e", "--environment", "test", "--pin-file", s.Token.PINFile)
			fatal(t, os.Remove(s.database()))
			must("init")
			must("token", "enrol", "--environment", "test")
			must("target", "enrol", "aws")
			id, err := s.admin.Add(t.Context(), faults.Rule{Kind: faults.Hold, When: faults.Before, Match: faults.Match{Action: "ImportKeyMaterial"}})
			fatal(t, err)
			run := s.startUnder(t, umask, s.imports("private", "aes-256")...)
			if run.Waits(t, s.admin, faults.CallQuery{Fault: id, State: faults.Held}); run.Over() {
				t.Fatal(run.Wait())
			}
			backup := filepath.Join(s.Dir, "backup.db")
			must("store", "backup", backup)
			s.ownersAlone(t, fresh, s.database(), s.database()+"-wal", s.database()+"-shm", backup)
			fatal(t, s.admin.Remove(t.Context(), id))
			if out := run.Wait(); out.Code != 0 {
				t.Fatal(out)
			}
			s.ownersAlone(t, fresh, s.database(), backup)
		})
	}
}

// ownersAlone: these files are there with mode 0600, and nothing in the site is open to
// others but what the test itself put there.
func (s *site) ownersAlone(t *testing.T, files ...string) {
	t.Helper()
	for _, path := range files {
		info, err := os.Lstat(path)
		fatal(t, err)
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, not 0600", path, info.Mode())
		}
	}
	fatal(t, filepath.WalkDir(s.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(path, filepath.Join(s.Dir, "token")) {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}))
}

// A link in place of a file that is trusted or secret is refused by name, with nothing
// sent: who made it could lead it elsewhere.
func TestLinksAreRefused(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	name := func(path string) func(*clouds) string { return func(*clouds) string { return path } }
	for what, path := range map[string]func(*clouds) string{
		"config":           name(c.Config),
		"database":         name(c.database()),
		"PIN file":         name(c.Token.PINFile),
		"credentials_file": name(filepath.Join(c.Dir, "google.json")),
		"certificate_file": name(filepath.Join(c.Dir, "azure.pem")),
	} {
		file := path(c)
		fatal(t, os.Rename(file, file+".real"))
		fatal(t, os.Symlink(file+".real", file))
		before := len(c.callsOf(t, "aws")) + len(c.callsOf(t, "gcp")) + len(c.callsOf(t, "azure"))
		out := c.Run(t, importsAll("linked", "ec-p384", "pairs")...)
		for _, words := range []string{file, "symbolic link", "  changed: nothing\n", "  do:      "} {
			if out.Code != 1 || !strings.Contains(out.Stderr, words) {
				t.Errorf("%s: %q is not said: %s", what, words, out)
			}
		}
		if after := len(c.callsOf(t, "aws")) + len(c.callsOf(t, "gcp")) + len(c.callsOf(t, "azure")); after != before {
			t.Errorf("%s: %d calls were sent", what, after-before)
		}
		fatal(t, os.Rename(file+".real", file))
	}
	c.Must(t, importsAll("linked", "ec-p384", "pairs")...)
}

// The module's code sees the PIN: one that others may change is not loaded.
func TestModuleOfEverybodysIsNotLoaded(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	loaded := len(s.Shim.Calls("C_Initialize"))
	fatal(t, os.Chmod(s.Shim.Module(), 0o777))
	out := s.Run(t, s.imports("open", "aes-256")...)
	for _, words := range []string{s.Shim.Module(), "lets others change it", "  changed: nothing\n", "chmod go-w " + s.Shim.Module()} {
		if out.Code != 1 || !strings.Contains(out.Stderr, words) {
			t.Errorf("%q is not said: %s", words, out)
		}
	}
	if now := len(s.Shim.Calls("C_Initialize")); now != loaded {
		t.Error("it was loaded nevertheless")
	}
	fatal(t, os.Chmod(s.Shim.Module(), 0o700))
	if out := s.Run(t, s.imports("open", "aes-256")...); out.Code != 0 {
		t.Error(out)
	}
}
