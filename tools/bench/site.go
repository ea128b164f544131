package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// site is a company's own: a token, a config and a store; and the clouds, which are emulators.
type site struct {
	b     *bench
	dir   string
	env   []string
	token softtoken.Token
	aws   *awsemu.Server
	gcp   *gcpemu.Server
	azure *azureemu.Server
	lists int
	spec  string // of the keys in lists

	stopToken func() error // one in a process of its own; nil where there is none
}

// wish is what differs between sites.
type wish struct {
	kind    softtoken.Kind
	retain  string             // "" is token
	bits    int                // of wrapping keys; 0 is 2048
	targets []string           // enrolled; nil is aws alone
	aws     awsemu.Settings    // of the emulator
	quotas  map[string]float64 // of target aws; nil is none that is felt
	apart   bool               // the token is in a process of its own
}

// site starts one; close ends it.
func (b *bench) site(ctx context.Context, w wish) (*site, error) {
	s := &site{b: b, spec: "aes-256"}
	err := s.start(ctx, w)
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *site) start(ctx context.Context, w wish) (err error) {
	if w.kind == "" {
		w.kind = softtoken.SoftHSM
	}
	if s.dir, err = os.MkdirTemp(s.b.programs.dir, "site"); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	if s.token, err = softtoken.New(ctx, w.kind, filepath.Join(s.dir, "token"), "bench"); err != nil {
		return err
	}
	if w.apart {
		if err := s.putApart(ctx); err != nil {
			return err
		}
	}
	if err := s.startClouds(ctx, w); err != nil {
		return err
	}
	if err := s.configure(w); err != nil {
		return err
	}
	setUp := [][]string{{"init"}, {"token", "enrol", "--environment", "test"}}
	for _, t := range w.names() {
		setUp = append(setUp, []string{"target", "enrol", t})
	}
	for _, args := range setUp {
		if _, err := s.keyferry(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func (w wish) names() []string {
	if w.targets == nil {
		return []string{"aws"}
	}
	return w.targets
}

func (s *site) startClouds(ctx context.Context, w wish) error {
	pool := filepath.Join(s.b.programs.root, ".cache", "wrapping-keys")
	now := time.Now //nolint:forbidigo // the emulators' clock
	ca, err := emu.NewAuthority(now())
	if err != nil {
		return fmt.Errorf("make a CA: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "ca.pem"), ca.PEM(), 0o600); err != nil {
		return fmt.Errorf("write the CA: %w", err)
	}
	var errs [3]error
	s.aws, errs[0] = awsemu.Start(ctx, awsemu.Config{Now: now, CA: ca, PoolDir: pool, ReuseWrappingKeys: true, Settings: w.aws})
	s.gcp, errs[1] = gcpemu.Start(ctx, gcpemu.Config{Now: now, CA: ca, PoolDir: pool, ReuseWrappingKeys: true})
	s.azure, errs[2] = azureemu.Start(ctx, azureemu.Config{Now: now, CA: ca, PoolDir: pool, ReuseWrappingKeys: true})
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("start the emulators: %w", err)
	}
	return nil
}

func (s *site) close() {
	if s.aws != nil {
		_ = s.aws.Close() // what is measured was measured
	}
	if s.gcp != nil {
		_ = s.gcp.Close()
	}
	if s.azure != nil {
		_ = s.azure.Close()
	}
	if s.stopToken != nil {
		_ = s.stopToken()
	}
	_ = os.RemoveAll(s.dir)
}

// keyferry runs the program on the site.
func (s *site) keyferry(ctx context.Context, args ...string) (spent, error) {
	return spend(ctx, s.dir, s.env, s.b.programs.keyferry, args...)
}

// list writes a list of keys.
func (s *site) list(n int, targets string) (path string, err error) {
	s.lists++
	var text strings.Builder
	text.WriteString("name,policy,spec,targets\n")
	for i := range n {
		fmt.Fprintf(&text, "list%d/key-%d,plain,%s,%s\n", s.lists, i, s.spec, targets)
	}
	path = filepath.Join(s.dir, fmt.Sprintf("keys-%d.csv", s.lists))
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		return "", fmt.Errorf("write a list: %w", err)
	}
	return path, nil
}

// bring imports a new list, so many keys at once.
func (s *site) bring(ctx context.Context, n, atOnce int, targets string) (spent, error) {
	path, err := s.list(n, targets)
	if err != nil {
		return spent{}, err
	}
	return s.keyferry(ctx, importing(path, atOnce)...)
}

// keeps refuses to call a list kept whose material went another way.
func (s *site) keeps(ctx context.Context, n int) error {
	const kept = "SELECT count(*) FROM key_versions WHERE wrapped"
	shell, err := spend(ctx, s.dir, s.env, "sqlite3", "file:"+filepath.Join(s.dir, "keyferry.db")+"?mode=ro", kept)
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(string(shell.stdout)); got != strconv.Itoa(n) {
		return fmt.Errorf("%s keys are kept wrapped, not %d", got, n)
	}
	return nil
}

// importing is the command that brings a list.
func importing(path string, atOnce int) []string {
	return []string{"import", "file", path, "--reason", "bench", "--at-once", fmt.Sprint(atOnce), "--output", "jsonl"}
}

// ask is what the bare program is told.
type ask struct {
	Do      string `json:"do"` // import, both (without the proof), token, kept, cloud
	Keys    int    `json:"keys"`
	Workers int    `json:"workers"`
	Spec    string `json:"spec"`
	Prefix  string `json:"prefix"` // of names, new for every run
	Module  string `json:"module"`
	Label   string `json:"label"`
	PINFile string `json:"pin_file"`
	Cache   string `json:"cache"`
	Account string `json:"account"`
	Region  string `json:"region"`
	URL     string `json:"url"`
	CAFile  string `json:"ca_file"`
	Bits    int    `json:"bits"`
}

// bare runs the bare program on the same token and cloud.
func (s *site) bare(ctx context.Context, a ask) (spent, error) {
	s.lists++
	a.Prefix = fmt.Sprintf("bare%d", s.lists)
	a.Module, a.Label, a.PINFile, a.Cache = s.token.Module, "bench", s.token.PINFile, s.dir
	a.Account, a.Region, a.URL, a.CAFile = s.aws.Account(), region, s.aws.TLSURL(), filepath.Join(s.dir, "ca.pem")
	a.Bits = first(a.Bits, 2048)
	text, err := json.Marshal(a)
	if err != nil {
		return spent{}, fmt.Errorf("encode what is asked: %w", err)
	}
	return spend(ctx, s.dir, s.env, s.b.programs.bare, string(text))
}

func first(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}
