package softtoken

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Store is a private directory with tokens of one kind and the configuration by which the module finds them.
type Store struct {
	Kind   Kind
	Module string // absolute path of the PKCS#11 module
	Dir    string // absolute; mode 0700
	Config string // absolute path of the module's configuration
}

// Token is an initialised token. Label and serial are as a PKCS#11 module shows them, without padding.
type Token struct {
	Module    string
	Label     string
	Serial    string
	Slot      uint   // as seen now; SoftHSM keeps it, but a token is to be found by label or serial
	PINFile   string // user PIN without a newline; mode 0600
	SOPINFile string // security officer's PIN, likewise
	Env       []string
}

// Open makes the store in dir, or opens the one that is there. Tokens are added with Add.
func Open(k Kind, dir string) (*Store, error) {
	module, err := k.Module()
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open a token store: %w", err)
	}
	s := &Store{Kind: k, Module: module, Dir: dir, Config: filepath.Join(dir, string(k)+".conf")}
	if err := os.MkdirAll(s.tokenDir(), 0o700); err != nil {
		return nil, fmt.Errorf("open a token store: %w", err)
	}
	if _, err := os.Stat(s.Config); err == nil {
		return s, nil
	}
	if err := os.WriteFile(s.Config, []byte(s.firstConfig()), 0o600); err != nil {
		return nil, fmt.Errorf("open a token store: %w", err)
	}
	return s, nil
}

// New makes a store in dir with one token in it, and returns that token.
func New(ctx context.Context, k Kind, dir, label string) (Token, error) {
	s, err := Open(k, dir)
	if err != nil {
		return Token{}, err
	}
	return s.Add(ctx, label)
}

// Environ returns the one environment entry (NAME=value) by which the module finds this store.
func (s *Store) Environ() []string {
	name := "SOFTHSM2_CONF"
	if s.Kind == Kryoptic {
		name = "KRYOPTIC_CONF"
	}
	return []string{name + "=" + s.Config}
}

// Add makes one more token. Labels need not differ: two tokens with one label are what some tests want.
// A process that has initialised the module before sees the new token after C_Finalize and C_Initialize only.
func (s *Store) Add(ctx context.Context, label string) (Token, error) {
	if label == "" || len(label) > 32 {
		return Token{}, fmt.Errorf("add token %q: a label has 1 to 32 bytes", label)
	}
	place, err := s.place()
	if err != nil {
		return Token{}, fmt.Errorf("add token %q: %w", label, err)
	}
	t := Token{Module: s.Module, Label: label, Env: s.Environ()}
	pin, soPIN := rand.Text()[:16], rand.Text()[:16]
	if t.Slot, err = s.initialise(ctx, place, label, pin, soPIN); err != nil {
		return Token{}, fmt.Errorf("add token %q: %w", label, err)
	}
	if t.Serial, err = s.serial(ctx, t.Slot); err != nil {
		return Token{}, fmt.Errorf("add token %q: %w", label, err)
	}
	t.PINFile = filepath.Join(s.Dir, t.Serial+".pin")
	t.SOPINFile = filepath.Join(s.Dir, t.Serial+".so-pin")
	err = errors.Join(os.WriteFile(t.PINFile, []byte(pin), 0o600), os.WriteFile(t.SOPINFile, []byte(soPIN), 0o600))
	return t, err
}

func (s *Store) tokenDir() string { return filepath.Join(s.Dir, "tokens") }

func (s *Store) firstConfig() string {
	if s.Kind == Kryoptic {
		return "" // a [[slots]] table a token, written by place
	}
	return fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n", s.tokenDir())
}

// place says where the next token goes, as arguments of softhsm2-util. SoftHSM always has a free slot at the end of its list;
// Kryoptic has the slots of its configuration, each with a file of its own.
func (s *Store) place() ([]string, error) {
	if s.Kind != Kryoptic {
		return []string{"--free"}, nil
	}
	config, err := os.ReadFile(s.Config)
	if err != nil {
		return nil, err
	}
	slot := strings.Count(string(config), "[[slots]]") + 1
	file := filepath.Join(s.tokenDir(), strconv.Itoa(slot)+".sql")
	config = fmt.Appendf(config, "[[slots]]\nslot = %d\ndbtype = \"sqlite\"\ndbargs = %q\n", slot, file)
	return []string{"--slot", strconv.Itoa(slot)}, os.WriteFile(s.Config, config, 0o600) //nolint:gosec // a path of our own
}

var initialisedSlot = regexp.MustCompile(`slot (\d+)\s*$`)

func (s *Store) initialise(ctx context.Context, place []string, label, pin, soPIN string) (uint, error) {
	out, err := s.util(ctx, append(place, "--init-token", "--label", label, "--pin", pin, "--so-pin", soPIN)...)
	if err != nil {
		return 0, err
	}
	found := initialisedSlot.FindStringSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("initialise a token: softhsm2-util names no slot: %q", out)
	}
	slot, err := strconv.ParseUint(found[1], 10, 64)
	return uint(slot), err
}

// serial reads the serial number of the token in slot from softhsm2-util's list, which has a paragraph a slot.
func (s *Store) serial(ctx context.Context, slot uint) (string, error) {
	out, err := s.util(ctx, "--show-slots")
	if err != nil {
		return "", err
	}
	paragraph := regexp.MustCompile(fmt.Sprintf(`(?s)(?:^|\n)Slot %d\n.*?Serial number: *(\S+)`, slot))
	found := paragraph.FindStringSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("read a serial number: no slot %d in %q", slot, out)
	}
	return found[1], nil
}

func (s *Store) util(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "softhsm2-util", append([]string{"--module", s.Module}, args...)...) //nolint:gosec // arguments are ours; no shell
	cmd.Env = append(os.Environ(), s.Environ()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("run softhsm2-util: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
