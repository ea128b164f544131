package e2etest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// Label of a site's token.
const Label = "e2e"

// Site is a company's own: a token behind the shim, and the program with its config and
// its store; and the clouds, which are emulators. Those that were not started are nil.
type Site struct {
	Dir     string
	Program string
	Config  string // path of the config
	Env     []string
	Token   softtoken.Token
	Shim    *shim.Shim
	AWS     *awsemu.Server
	GCP     *gcpemu.Server
	Azure   *azureemu.Server
	ca      *emu.Authority // of all clouds; its certificate is ca.pem
	kind    softtoken.Kind // "" with a module that is not the token's own
}

// NewSite is one with a token of a kind, and no cloud and no config. module is in place
// of the token's own; "" is that.
func NewSite(t *testing.T, kind softtoken.Kind, module string) *Site {
	t.Helper()
	if kind.Skipped() {
		t.Skipf("%s names %s", softtoken.SkipVariable, kind)
	}
	s := &Site{Dir: t.TempDir(), Program: os.Getenv(ProgramVariable)}
	t.Cleanup(func() { s.keep(t) })
	s.Config = filepath.Join(s.Dir, "keyferry.yaml")
	var err error
	s.Token, err = softtoken.New(t.Context(), kind, filepath.Join(s.Dir, "token"), Label)
	fatal(t, err)
	if module == "" {
		s.kind, module = kind, s.Token.Module
	}
	s.Shim, err = shim.Start(t.Context(), module)
	fatal(t, err)
	t.Cleanup(func() { check(t, s.Shim.Close()) })
	s.ca, err = emu.NewAuthority(time.Now())
	fatal(t, err)
	fatal(t, os.WriteFile(filepath.Join(s.Dir, "ca.pem"), s.ca.PEM(), 0o600))
	return s
}

// keep leaves a site whose test failed where go test -artifacts wants such things.
func (s *Site) keep(t *testing.T) {
	t.Helper()
	if t.Failed() {
		check(t, os.CopyFS(t.ArtifactDir(), os.DirFS(s.Dir)))
	}
}

// Enrol makes a configured site ready: its store, its token, and these targets.
func (s *Site) Enrol(t *testing.T, targets ...string) {
	t.Helper()
	s.Must(t, "init")
	s.Must(t, "token", "enrol", "--environment", "test")
	if s.kind != "" {
		s.knowPlans(t)
	}
	for _, target := range targets {
		s.Must(t, "target", "enrol", target)
	}
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
