package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// patience is the deadline of whatever is waited for: far beyond what it takes.
const patience = 2 * time.Minute

// binary builds the program once.
var binary = sync.OnceValues(func() (string, error) {
	root, err := softtoken.Root()
	if err != nil {
		return "", err
	}
	return e2etest.Build(context.Background(), filepath.Join(root, ".cache", "e2e"))
})

// site is a company's own: a token behind the shim, a config, a store; and the
// cloud, which is the emulator.
type site struct {
	dir     string
	program string
	config  string
	env     []string
	token   softtoken.Token
	shim    *shim.Shim
	cloud   *awsemu.Server
	admin   faults.Client
}

// newSite is a site whose token and target are enrolled.
func newSite(t *testing.T, kind softtoken.Kind) *site {
	t.Helper()
	if kind.Skipped() {
		t.Skipf("%s names %s", softtoken.SkipVariable, kind)
	}
	s := bareSite(t, kind)
	for _, args := range [][]string{{"init"}, {"token", "enrol", "--environment", "test"}, {"target", "enrol", "aws"}} {
		if out := s.run(t, args...); out.code != 0 {
			t.Fatalf("keyferry %s: %s", strings.Join(args, " "), out)
		}
	}
	return s
}

func bareSite(t *testing.T, kind softtoken.Kind) *site {
	t.Helper()
	return bareSiteOf(t, kind, siteOptions{})
}

// siteOptions are what few tests ask for.
type siteOptions struct {
	module string // in place of the token's own: "" is that
	reveal bool   // the emulator tells what it unwrapped
}

func bareSiteOf(t *testing.T, kind softtoken.Kind, o siteOptions) *site {
	t.Helper()
	root, err := softtoken.Root()
	fatal(t, err)
	s := &site{dir: t.TempDir()}
	s.program, err = binary()
	fatal(t, err)
	s.token, err = softtoken.New(t.Context(), kind, filepath.Join(s.dir, "token"), "e2e")
	fatal(t, err)
	if o.module == "" {
		o.module = s.token.Module
	}
	s.shim, err = shim.Start(t.Context(), o.module)
	fatal(t, err)
	t.Cleanup(func() { check(t, s.shim.Close()) })
	s.cloud, err = awsemu.Start(t.Context(), awsemu.Config{
		Now: time.Now, PoolDir: filepath.Join(root, ".cache", "wrapping-keys"), ReuseWrappingKeys: true, Reveal: o.reveal,
	})
	fatal(t, err)
	t.Cleanup(func() { check(t, s.cloud.Close()) })
	s.admin = s.cloud.Admin()
	s.configure(t, s.shim.Module())
	return s
}

// configure writes the config for a module.
func (s *site) configure(t *testing.T, module string) {
	t.Helper()
	ca := filepath.Join(s.dir, "ca.pem")
	fatal(t, os.WriteFile(ca, s.cloud.CAPEM(), 0o600))
	s.config = filepath.Join(s.dir, "keyferry.yaml")
	text := fmt.Sprintf(`store: %s
token:
  name: hsm
  module: %s
  label: e2e
  environment: test
  pin: {file: %s}
  cache: %s
targets:
  - name: aws
    provider: aws
    environment: test
    account: "%s"
    region: eu-central-1
    endpoint: %s
    ca_file: %s
    settle: 1s
    poll: 1s
    quotas: {all: 10000}
policies:
  - {name: plain, targets: [aws]}
`, filepath.Join(s.dir, "keyferry.db"), module, s.token.PINFile, s.dir, s.cloud.Account(), s.cloud.TLSURL(), ca)
	fatal(t, os.WriteFile(s.config, []byte(text), 0o600))
	key := s.cloud.Credentials()
	s.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "KEYFERRY_CONFIG=" + s.config,
		"AWS_ACCESS_KEY_ID=" + key.ID, "AWS_SECRET_ACCESS_KEY=" + key.Secret, "AWS_EC2_METADATA_DISABLED=true",
	}, s.token.Env...)
}

// outcome is what one run of the program left.
type outcome struct {
	code           int
	stdout, stderr string
}

// String shows it in a failure.
func (o outcome) String() string { return fmt.Sprintf("exit %d\n%s%s", o.code, o.stdout, o.stderr) }

// started is a run of the program that is under way.
type started struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func (s *site) start(t *testing.T, args ...string) *started {
	t.Helper()
	run := &started{cmd: exec.CommandContext(t.Context(), s.program, args...)}
	run.cmd.Dir, run.cmd.Env = s.dir, s.env
	run.cmd.Stdout, run.cmd.Stderr = &run.stdout, &run.stderr
	fatal(t, run.cmd.Start())
	return run
}

func (r *started) wait() outcome {
	_ = r.cmd.Wait() // the exit code says it
	return outcome{r.cmd.ProcessState.ExitCode(), r.stdout.String(), r.stderr.String()}
}

func (s *site) run(t *testing.T, args ...string) outcome {
	t.Helper()
	return s.start(t, args...).wait()
}

// kill ends a run as a power failure would.
func (r *started) kill(t *testing.T) {
	t.Helper()
	fatal(t, r.cmd.Process.Kill())
	if out := r.wait(); out.code != -1 {
		t.Fatalf("it was to be killed, and ended by itself: %s", out)
	}
}

func (s *site) imports(name, spec string) []string {
	return []string{"import", "aws", name, "--policy", "plain", "--spec", spec, "--reason", "test", "--output", "json"}
}

// judge holds what the emulator unwrapped against the test's own list of names:
// each has one key with one material, given to consumers by its alias; and there
// is nothing else.
func (s *site) judge(t *testing.T, names ...string) {
	t.Helper()
	report, err := s.admin.Report(t.Context())
	fatal(t, err)
	alive := map[string][]faults.KeyReport{}
	for _, k := range report.Keys {
		if !k.Pending {
			alive[k.Name] = append(alive[k.Name], k)
		}
	}
	for _, name := range names {
		keys := alive[name]
		if len(keys) != 1 || len(keys[0].Versions) != 1 || !keys[0].Versions[0].Present || len(keys[0].Aliases) != 1 || keys[0].Aliases[0] != "alias/"+name {
			t.Errorf("key %s: %s", name, show(keys))
		}
		delete(alive, name)
	}
	if len(alive) > 0 || len(report.Orphans) > 0 || len(report.Twins) > 0 {
		t.Errorf("besides what was asked for there are keys %s, orphans %v, twins %v", show(alive), report.Orphans, report.Twins)
	}
}

func show(v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func contains(text, part string) bool { return strings.Contains(text, part) }

// settle changes how long the target is given to settle, and enrols it so.
func (s *site) settle(t *testing.T, d string) {
	t.Helper()
	text, err := os.ReadFile(s.config)
	fatal(t, err)
	fatal(t, os.WriteFile(s.config, []byte(strings.Replace(string(text), "settle: 1s", "settle: "+d, 1)), 0o600))
	if out := s.run(t, "target", "enrol", "aws", "--reason", "settle "+d); out.code != 0 {
		t.Fatal(out)
	}
}
