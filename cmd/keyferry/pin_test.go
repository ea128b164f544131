package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

func readPIN(t *testing.T, env map[string]string, c config.Token) (string, error) {
	t.Helper()
	var stderr bytes.Buffer
	p := &program{stdin: strings.NewReader(""), stderr: &stderr, getenv: func(name string) string { return env[name] }}
	c.Name = "hsm"
	pin, err := p.pinSource(c)(t.Context())
	return string(pin), err
}

func file(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPINComesFromItsSource(t *testing.T) {
	t.Parallel()
	path := file(t, "4711\n", 0o400)
	env := map[string]string{"CREDENTIALS_DIRECTORY": filepath.Dir(path), "KEYFERRY_PIN": "4711"}
	for what, pin := range map[string]config.Pin{
		"file":               {File: config.Path(path)},
		"credential":         {Credential: "pin"},
		"command":            {Command: []string{"/bin/echo", "4711"}},
		"command of 2 lines": {Command: []string{"/usr/bin/printf", `4711\r\nlogin: me\n`}},
		"no shell":           {Command: []string{"/bin/echo", "4711\n$(id)"}},
		"variable":           {Env: "KEYFERRY_PIN"},
	} {
		got, err := readPIN(t, env, config.Token{Environment: "test", Pin: pin})
		if err != nil || got != "4711" {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}

func TestPINFileThatOthersMayReadIsRefused(t *testing.T) {
	t.Parallel()
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o440: false, 0o604: false, 0o644: false, 0o620: false, 0o602: false} {
		_, err := readPIN(t, nil, config.Token{Pin: config.Pin{File: config.Path(file(t, "4711-secret", mode))}})
		if (err == nil) != ok || !ok && (!errors.Is(err, broker.Denied) || strings.Contains(err.Error(), "4711")) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

func TestBadPINSourcesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	loose := file(t, "4711-secret", 0o644)
	for want, c := range map[string]config.Token{
		"not found":                        {Pin: config.Pin{File: "/no/such/pin"}},
		"0 characters":                     {Pin: config.Pin{File: config.Path(file(t, "\n", 0o600))}},
		"300 characters":                   {Pin: config.Pin{File: config.Path(file(t, strings.Repeat("4711", 75), 0o600))}},
		"CREDENTIALS_DIRECTORY is not set": {Pin: config.Pin{Credential: "pin"}},
		"run /bin/false: exit status 1":    {Pin: config.Pin{Command: []string{"/bin/false"}}},
		"run /no/such/program":             {Pin: config.Pin{Command: []string{"/no/such/program"}}},
		"KEYFERRY_PIN is not set":          {Environment: "test", Pin: config.Pin{Env: "KEYFERRY_PIN"}},
		"never holds a production PIN":     {Environment: broker.Production, Pin: config.Pin{Env: "HOME"}},
		"there is no terminal":             {Pin: config.Pin{Prompt: true}},
		"lets others read or change it":    {Pin: config.Pin{File: config.Path(loose)}},
	} {
		pin, err := readPIN(t, nil, c)
		if pin != "" || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "4711") {
			t.Errorf("want %q: %q, %v", want, pin, err)
		}
		if e, ok := errors.AsType[*broker.Error](err); !ok || e.Hint == "" {
			t.Errorf("%q comes without advice", want)
		}
	}
}
