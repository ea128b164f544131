package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	hsm "github.com/keyferry/keyferry/hsm/memory"
	cloud "github.com/keyferry/keyferry/providers/memory"
)

// wrappingKeys are made once: they are the slow part of a target in memory.
var wrappingKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		panic(err)
	}
	return []*rsa.PrivateKey{key}
})

const account = "111122223333"

// world is a config, a store, a token and a target, of which the last two live in
// this process. Each run of the program in it is a new program.
type world struct {
	t           *testing.T
	dir, config string
	token       *hsm.Token
	target      *cloud.Provider            // aws-test
	clouds      map[string]*cloud.Provider // all of them
	fault       cloud.Fault                // may be nil
	shut        map[string]error           // targets that do not open
	genuine     bool
	interactive bool
	stdin       string
	tokenAs     func(broker.Token) broker.Token // what the program is given for the token; nil: itself
	env         map[string]string
	mu          sync.Mutex
	time        time.Time
}

const worldConfig = `store: keyferry.db
token: {name: hsm, module: /usr/lib/some.so, label: test, environment: ENV, pin: {file: pin}}
targets:
  - {name: aws-test, provider: aws, environment: ENV, account: "111122223333", region: eu-central-1}
policies:
  - {name: payments, spec: aes-256, targets: [aws-test], retain: token, owner: payments team}
  - {name: ending, spec: hmac-256, targets: [aws-test], retain: token, valid_for: 30d}
`

// cloudsConfig has a target of each provider, and policies for each and for all.
const cloudsConfig = `store: keyferry.db
token: {name: hsm, module: /usr/lib/some.so, label: test, environment: ENV, pin: {file: pin}}
targets:
  - {name: aws-test, provider: aws, environment: ENV, account: "111122223333", region: eu-central-1}
  - {name: gcp-test, provider: gcp, environment: ENV, project: my-project, location: europe-west3, ring: keyferry}
  - {name: azure-test, provider: azure, environment: ENV, tenant: 11111111-2222-3333-4444-555555555555, vault: https://my-vault.vault.azure.net}
policies:
  - {name: payments, spec: aes-256, targets: [aws-test], retain: token, owner: payments team}
  - {name: aws-keys, spec: aes-256, targets: [aws-test], retain: token}
  - {name: gcp-keys, spec: aes-256, targets: [gcp-test], retain: token}
  - {name: azure-keys, spec: aes-256, targets: [azure-test], retain: token}
  - {name: everywhere, spec: ec-p384, targets: [aws-test, gcp-test, azure-test], retain: token, owner: release team}
`

// settled makes a target settle within an instant.
func settled(caps broker.Capabilities) broker.Capabilities {
	caps.Settle, caps.Poll = 20*time.Millisecond, 10*time.Millisecond
	return caps
}

// cloudsWorld has targets at three clouds, all of them enrolled.
func cloudsWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, "test")
	w.enrolClouds(cloudsConfig)
	return w
}

// enrolClouds gives the world targets at three clouds, and enrols all of them.
func (w *world) enrolClouds(config string) {
	w.t.Helper()
	w.configure(strings.ReplaceAll(config, "ENV", "test"))
	w.target = w.cloud(account, settled(cloud.Default()))
	w.clouds = map[string]*cloud.Provider{
		"aws-test": w.target, "gcp-test": w.cloud("my-project", settled(cloud.Numbered())),
		"azure-test": w.cloud("11111111-2222-3333-4444-555555555555", settled(cloud.Newest())),
	}
	w.must("token", "enrol", "--environment", "test")
	for name := range w.clouds {
		w.must("target", "enrol", name)
	}
}

// newWorld has a store; nothing is enrolled.
func newWorld(t *testing.T, environment string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), time: time.Date(2026, 11, 24, 9, 30, 5, 0, time.UTC), env: map[string]string{}}
	w.config = filepath.Join(w.dir, "keyferry.yaml")
	w.configure(strings.ReplaceAll(worldConfig, "ENV", environment))
	w.token = hsm.New(hsm.Options{Label: "test"})
	w.target = w.cloud(account, cloud.Default())
	w.clouds = map[string]*cloud.Provider{"aws-test": w.target}
	w.must("init")
	return w
}

// cloud is a target in this process, with the world's clock and faults.
func (w *world) cloud(account string, caps broker.Capabilities) *cloud.Provider {
	w.t.Helper()
	target, err := cloud.New(cloud.Config{
		Account: account, Capabilities: caps, WrappingKeys: wrappingKeys(), Now: w.now,
		Fault: func(call string, committed bool) error {
			if w.fault == nil {
				return nil
			}
			return w.fault(call, committed)
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return target
}

// enrolledWorld has token and target enrolled.
func enrolledWorld(t *testing.T, environment string) *world {
	t.Helper()
	w := newWorld(t, environment)
	w.genuine = environment == broker.Production
	w.must("token", "enrol", "--environment", environment, "--yes")
	w.must("target", "enrol", "aws-test", "--yes")
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

// configure writes the config.
func (w *world) configure(text string) {
	w.t.Helper()
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// said is what one run of the program came to.
type said struct {
	code        int
	out, stderr string
}

func (w *world) program(out, stderr *bytes.Buffer) *program {
	p := &program{
		stdin: strings.NewReader(w.stdin), stdout: out, stderr: stderr, now: w.now, interactive: w.interactive,
		getenv: func(name string) string {
			if name == "KEYFERRY_CONFIG" && w.env[name] == "" {
				return w.config
			}
			return w.env[name]
		},
		openToken: func(context.Context, tokenOptions) (broker.Token, func(context.Context) error, error) {
			var token broker.Token = w.token
			if w.tokenAs != nil {
				token = w.tokenAs(token)
			}
			return token, func(context.Context) error { return nil }, nil
		},
		providers: shipped(),
	}
	for i := range p.providers {
		p.providers[i].open = func(_ context.Context, a asked) (openTarget, error) {
			if err := w.shut[a.Name]; err != nil {
				return openTarget{}, err
			}
			return openTarget{provider: w.cloudAt(a.Name), genuine: w.genuine, close: func() {}}, nil
		}
	}
	return p
}

// cloudAt is the target of that name; aws-test for one that a test made up.
func (w *world) cloudAt(name string) *cloud.Provider {
	if p := w.clouds[name]; p != nil {
		return p
	}
	return w.target
}

// run is one run of the program.
func (w *world) run(args ...string) said {
	w.t.Helper()
	var out, stderr bytes.Buffer
	code := w.program(&out, &stderr).run(w.t.Context(), args)
	return said{code, out.String(), stderr.String()}
}

// must run without an error.
func (w *world) must(args ...string) said {
	w.t.Helper()
	s := w.run(args...)
	if s.code != exitDone {
		w.t.Fatalf("keyferry %s: code %d\n%s", strings.Join(args, " "), s.code, s.stderr)
	}
	return s
}

// refuses holds that a run ends with the code and says all of wants.
func (w *world) refuses(code int, args []string, wants ...string) said {
	w.t.Helper()
	s := w.run(args...)
	if s.code != code {
		w.t.Errorf("keyferry %s: code %d, want %d\n%s%s", strings.Join(args, " "), s.code, code, s.out, s.stderr)
	}
	for _, want := range wants {
		if !strings.Contains(s.stderr, want) {
			w.t.Errorf("keyferry %s says\n%swant in it: %s", strings.Join(args, " "), s.stderr, want)
		}
	}
	return s
}

// asks runs with --output json and decodes the answer.
func asks[T any](w *world, args ...string) T {
	w.t.Helper()
	s := w.must(append(args, "--output", "json")...)
	var v T
	if err := json.Unmarshal([]byte(s.out), &v); err != nil {
		w.t.Fatalf("keyferry %s: %v in\n%s", strings.Join(args, " "), err, s.out)
	}
	return v
}

// failing makes the n-th of a call at the targets end with err, before it took effect.
func (w *world) failing(call string, nth int, err error) {
	seen := 0
	w.fault = func(name string, after bool) error {
		if name != call || after {
			return nil
		}
		if seen++; seen != nth {
			return nil
		}
		return err
	}
}

func args(line string) []string { return strings.Fields(line) }

func (s said) String() string { return fmt.Sprintf("code %d\n%s%s", s.code, s.out, s.stderr) }
