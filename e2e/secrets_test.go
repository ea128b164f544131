package e2e_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// listener is three clouds whose program is listened to: all that it says is kept.
type listener struct {
	*clouds
	secrets map[string][]byte
	heard   map[string]string // by command: what it said
}

// newListener knows every secret that the program is given. The PIN comes by a command,
// which notes what the program gave it.
func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{clouds: newClouds(t, softtoken.SoftHSM), heard: map[string]string{}}
	pin := read(t, l.Token.PINFile)
	l.secrets = map[string][]byte{
		"PIN": []byte(pin), "AWS secret key": []byte(l.AWS.Credentials().Secret),
		"Google key":        middle(t, privateKey(t, fieldOf(t, filepath.Join(l.Dir, "google.json"), "private_key"))),
		"Azure key":         middle(t, privateKey(t, read(t, filepath.Join(l.Dir, "azure.pem")))),
		"SO PIN":            []byte(read(t, l.Token.SOPINFile)),
		"a wrong PIN":       []byte("WrongPINwrongPIN"),
		"a wrong AWS key":   []byte("WrongSecretKeyThatIsAsLongAsARightOne012"),
		"a pasted password": []byte("PastedPassword0123456789"),
	}
	ask := filepath.Join(l.Dir, "pin-command")
	script := "#!/bin/sh\ncat /proc/$$/environ >" + filepath.Join(l.Dir, "given") + " 2>/dev/null\ncat " + l.Token.PINFile + "\n"
	fatal(t, os.WriteFile(ask, []byte(script), 0o700))
	edit(`pin: {file: "`+l.Token.PINFile+`"}`, "pin: {command: ["+ask+"]}")(t, l.site)
	return l
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	fatal(t, err)
	return strings.TrimSpace(string(text))
}

func fieldOf(t *testing.T, path, field string) string {
	t.Helper()
	var fields map[string]string
	fatal(t, json.Unmarshal([]byte(read(t, path)), &fields))
	return fields[field]
}

// privateKey is the DER of the one in a PEM text.
func privateKey(t *testing.T, text string) []byte {
	t.Helper()
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatal("there is no private key")
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return block.Bytes
		}
	}
}

// middle of a private key: no public half is there, and a part of it is enough to be seen.
func middle(t *testing.T, der []byte) []byte {
	t.Helper()
	if len(der) < 100 {
		t.Fatalf("a private key of %d bytes", len(der))
	}
	at := len(der) * 5 / 8 // within the primes of an RSA key, the scalar of another
	return der[at : at+32]
}

func (l *listener) hear(t *testing.T, args ...string) e2etest.Outcome {
	t.Helper()
	out := l.Run(t, args...)
	l.heard[fmt.Sprintf("%d keyferry %s", len(l.heard), strings.Join(args, " "))] = out.Stdout + out.Stderr
	return out
}

// No secret is told: not by any command, not by any failure, not by a crash, not to the
// process list, not in any file.
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	l.everyCommand(t)
	l.everyFailure(t)
	l.everyCrash(t)
	if len(l.heard) < 50 {
		t.Errorf("only %d commands were listened to", len(l.heard))
	}
	token := regexp.MustCompile(`eyJ[A-Za-z0-9_-]{20,}\.|Bearer [A-Za-z0-9._~+/-]{16,}|AWS4-HMAC-SHA256 Credential`)
	for command, said := range l.heard {
		for name, secret := range l.secrets {
			if holds([]byte(said), secret) {
				t.Errorf("%s is told by %s:\n%s", name, command, said)
			}
		}
		if found := token.FindString(said); found != "" {
			t.Errorf("a token, %.20s…, is told by %s", found, command)
		}
	}
	own := []string{filepath.Join(l.Dir, "given"), filepath.Join(l.Dir, "token"), filepath.Join(l.Dir, "google.json"), filepath.Join(l.Dir, "azure.pem")}
	for name, secret := range l.secrets {
		if found, searched := filesWith(t, l.Dir, secret, own...); len(found) > 0 || searched < 6 {
			t.Errorf("%s is in %v, of %d files", name, found, searched)
		}
	}
}

func (l *listener) everyCommand(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"token", "enrol", "--environment", "test", "--reason", "PIN by a command"},
		{"config", "check"},
		{"config", "show"},
		{"doctor"},
		importsAll("told", "ec-p384", "pairs"),
		importsAll("told-aes", "aes-256", "secrets"),
		{"token", "show", "--objects"},
		{"target", "list"},
		{"target", "show", "aws"},
		{"target", "show", "gcp"},
		{"target", "show", "vault"},
		{"target", "enrol", "gcp"},
		{"key", "show", "told"},
		{"inventory"},
		{"inventory", "--orphans"},
		{"verify", "--all"},
		{"operation", "list"},
		{"audit", "list"},
		{"audit", "verify"},
		{"store", "backup", "copy.db"},
	} {
		for _, more := range [][]string{nil, {"--verbose", "--output", "json"}} {
			args := append(slices.Clone(args), more...)
			if slices.Contains(args, "copy.db") && more != nil {
				args[2] = "another.db"
			}
			if slices.Contains(args, "--output") && args[len(args)-1] == "json" && slices.Index(args, "--output") < len(args)-2 {
				args = args[:len(args)-2] // it names one already
			}
			if out := l.hear(t, args...); out.Code != 0 {
				t.Errorf("keyferry %v: %s", args, out)
			}
		}
	}
	given := read(t, filepath.Join(l.Dir, "given"))
	for entry := range strings.SplitSeq(given, "\x00") {
		if name, _, _ := strings.Cut(entry, "="); runtime.GOOS == "linux" && !slices.Contains(append(l.Env, "PWD=", "OLDPWD=", "_=", "SHLVL="), entry) &&
			!slices.Contains([]string{"PWD", "OLDPWD", "_", "SHLVL", ""}, name) {
			t.Errorf("the program added %s to the environment of the PIN's command", name)
		}
	}
	if !strings.Contains(given, "KEYFERRY_CONFIG=") && runtime.GOOS == "linux" {
		t.Errorf("the PIN's command noted nothing: %q", given)
	}
}

// everyFailure breaks what has a secret in it, or near it.
func (l *listener) everyFailure(t *testing.T) {
	t.Helper()
	n := 0
	fails := func(args ...string) {
		t.Helper()
		if args == nil {
			n++
			args = append(importsAll(fmt.Sprintf("failed-%d", n), "ec-p384", "pairs"), "--verbose")
		}
		if out := l.hear(t, args...); out.Code == 0 {
			t.Errorf("keyferry %v went well: %s", args, out)
		}
	}
	spoilt := func(path, text string) {
		t.Helper()
		before, err := os.ReadFile(path)
		fatal(t, err)
		fatal(t, os.WriteFile(path, []byte(text), 0o600))
		fails()
		fatal(t, os.WriteFile(path, before, 0o600))
	}
	wrongPIN, pasted := string(l.secrets["a wrong PIN"]), string(l.secrets["a pasted password"])
	config := read(t, l.Config)
	for old, with := range map[string]string{
		"pin: {command: [":            "pin: {value: " + pasted + ", command: [",
		"environment: test\n  pin: {": "environment: test\n  pin: " + pasted + "\n  rest: {",
		"region: eu-central-1":        "region: eu-central-1\n    secret_access_key: " + pasted,
		"ring: keyferry":              "ring: keyferry\n    proxy: http://someone:" + pasted + "@127.0.0.1:9",
		"store: ":                     "pin: [" + pasted + "\nstore: ",
		"token:\n":                    "token:\n  pin: " + pasted + "\n",
	} {
		if !strings.Contains(config, old) {
			t.Fatalf("the config has no %q:\n%s", old, config)
		}
		spoilt(l.Config, strings.Replace(config, old, with, 1))
	}
	google, azure := filepath.Join(l.Dir, "google.json"), filepath.Join(l.Dir, "azure.pem")
	for path, text := range map[string]string{google: read(t, google), azure: read(t, azure)} {
		spoilt(path, text[:len(text)*3/4])                          // cut
		spoilt(path, strings.Replace(text, "PRIVATE", "PRIVAT", 1)) // no private key
		spoilt(path, pasted)
	}
	spoilt(google, strings.Replace(read(t, google), `"private_key"`, `"private_kez"`, 1))
	spoilt(l.Token.PINFile, wrongPIN)
	spoilt(l.Token.PINFile, strings.Repeat(wrongPIN, 40))
	l.brokenCalls(t, fails)
	fails("import", "aws", "x", "--pin="+pasted)
	fails("import", "aws", "x", "--pin", pasted)
}

// brokenCalls are signed with a wrong key, denied, dropped and cut.
func (l *listener) brokenCalls(t *testing.T, fails func(...string)) {
	t.Helper()
	n := 0
	env := slices.Clone(l.Env)
	for i, e := range l.Env {
		if strings.HasPrefix(e, "AWS_SECRET_ACCESS_KEY=") {
			l.Env[i] = "AWS_SECRET_ACCESS_KEY=" + string(l.secrets["a wrong AWS key"])
		}
	}
	fails()
	l.Env = env
	for cloud, action := range map[string]string{"aws": "CreateKey", "gcp": "CreateCryptoKey", "azure": "ImportKey"} {
		for _, rule := range []faults.Rule{{Kind: faults.Deny}, {Kind: faults.Drop}, {Kind: faults.Truncate}} {
			rule.Match.Action, rule.Count = action, -1
			id, err := l.Admins()[cloud].Add(t.Context(), rule)
			fatal(t, err)
			n++
			out := l.hear(t, append(importsAll(fmt.Sprintf("broken-%d", n), "ec-p384", "pairs"), "--verbose")...)
			if rule.Kind == faults.Deny && out.Code == 0 {
				t.Errorf("%s was denied, and it went well: %s", action, out)
			}
			fatal(t, l.Admins()[cloud].Remove(t.Context(), id))
		}
	}
}

// everyCrash ends a run in all the ways in which Go tells what it was doing.
func (l *listener) everyCrash(t *testing.T) {
	t.Helper()
	for i, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGTERM} {
		for j, cloud := range []string{"aws", "gcp", "azure"} {
			action := map[string]string{"aws": "ImportKeyMaterial", "gcp": "ImportCryptoKeyVersion", "azure": "ImportKey"}[cloud]
			env := l.Env
			l.Env = append(slices.Clone(l.Env), "GOTRACEBACK="+[]string{"crash", "system", "all"}[j])
			args := append(importsAll(fmt.Sprintf("crashed-%d-%s", i, cloud), "ec-p384", "pairs"), "--verbose")
			run, held := l.held(t, l.Admins()[cloud], faults.Rule{When: faults.Before, Match: faults.Match{Action: action}}, args...)
			l.Env = env
			if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", run.Cmd.Process.Pid)); err == nil {
				l.heard[fmt.Sprintf("%d the process list", len(l.heard))] = string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
			}
			fatal(t, run.Cmd.Process.Signal(signal))
			if signal == syscall.SIGTERM { // at the next safe point
				held.Remove(t)
			}
			out := run.Wait()
			fatal(t, l.Admins()[cloud].Remove(t.Context(), ""))
			if signal != syscall.SIGTERM && !strings.Contains(out.Stderr, "goroutine ") {
				t.Errorf("%s tells nothing of a crash: %s", signal, out)
			}
			l.heard[fmt.Sprintf("%d after %s", len(l.heard), signal)] = out.Stdout + out.Stderr
		}
	}
}
