package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

func TestFileThatOthersMayChangeOrReadIsRefused(t *testing.T) {
	t.Parallel()
	for mode, ok := range map[os.FileMode]bool{
		0o600: true, 0o400: true, 0o640: true,
		0o644: false, 0o604: false, 0o660: false, 0o620: false, 0o602: false, 0o666: false,
	} {
		path := write(t, filepath.Join(t.TempDir(), "keyferry.yaml"), mode)
		_, err := config.Load(path)
		if ok && err != nil {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if !ok && (!errors.Is(err, broker.Denied) || !strings.Contains(err.Error(), "lets others")) {
			t.Errorf("mode %04o: %v, want denied", mode, err)
		}
	}
}

func TestFileInADirectoryOfEverybodyIsRefused(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "open", "below", "keyferry.yaml"), 0o600)
	open := filepath.Dir(filepath.Dir(path))
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(path)
	if !errors.Is(err, broker.Denied) || !strings.Contains(err.Error(), "everybody may replace") {
		t.Errorf("error %v", err)
	}
	if e, ok := errors.AsType[*broker.Error](err); !ok || e.Hint != "chmod o-w "+open {
		t.Errorf("hint is %+v", e)
	}
	if err := os.Chmod(open, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path); err != nil {
		t.Errorf("with the sticky bit: %v", err)
	}
}

func TestFileOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("only root can give a file away; the rule itself is also held by the store's tests")
		return
	}
	path := write(t, filepath.Join(t.TempDir(), "keyferry.yaml"), 0o600)
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path); !errors.Is(err, broker.Denied) || !strings.Contains(err.Error(), "belongs to uid 12345") {
		t.Errorf("error %v", err)
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := config.Load(filepath.Join(dir, "absent.yaml")); !errors.Is(err, broker.NotFound) {
		t.Errorf("absent: %v", err)
	}
	if _, err := config.Load(dir); !errors.Is(err, broker.Denied) {
		t.Errorf("a directory: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(pipe); !errors.Is(err, broker.Denied) {
		t.Errorf("a pipe: %v", err)
	}
}

func TestConfigIsLookedForInOrder(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	t.Chdir(dir)
	env := map[string]string{"HOME": home}
	find := func(asked string) string {
		t.Helper()
		got, err := config.Find(asked, func(name string) string { return env[name] })
		if err != nil {
			return err.Error()
		}
		return got
	}
	if got := find(""); !strings.Contains(got, "not found") || !strings.Contains(got, filepath.Join(home, ".config/keyferry/keyferry.yaml")) {
		t.Errorf("nowhere: %s", got)
	}
	steps := []struct {
		path string
		then func()
	}{
		{filepath.Join(home, ".config/keyferry/keyferry.yaml"), func() {}},
		{filepath.Join(home, "xdg/keyferry/keyferry.yaml"), func() { env["XDG_CONFIG_HOME"] = filepath.Join(home, "xdg") }},
		{filepath.Join(dir, "keyferry.yaml"), func() {}},
		{filepath.Join(home, "mine.yaml"), func() { env["KEYFERRY_CONFIG"] = filepath.Join(home, "mine.yaml") }},
	}
	for _, s := range steps {
		write(t, s.path, 0o600)
		s.then()
		if got := find(""); got != s.path {
			t.Errorf("found %s, want %s", got, s.path)
		}
	}
	if got := find("asked.yaml"); got != filepath.Join(dir, "asked.yaml") {
		t.Errorf("asked for: %s", got)
	}
}

func TestWithoutAHomeOnlyTheWorkingDirectoryIsLookedAt(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := config.Find("", func(string) string { return "" })
	if !errors.Is(err, broker.NotFound) || strings.Contains(err.Error(), ".config") {
		t.Errorf("error %v", err)
	}
}
