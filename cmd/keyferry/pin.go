package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"

	"golang.org/x/term"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
	"github.com/keyferry/keyferry/broker/ownfile"
)

// maxSecretFile is more than any file with a secret has, in bytes.
const maxSecretFile = 1 << 20

// maxPIN is longer than any token takes.
const maxPIN = 255

// pinSource reads the user PIN from where the config says, when it is called.
func (p *program) pinSource(t config.Token) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		pin, err := p.readPIN(ctx, t)
		if err != nil {
			return nil, err
		}
		pin, _, _ = bytes.Cut(pin, []byte("\n"))
		pin = bytes.TrimSuffix(pin, []byte("\r"))
		if len(pin) == 0 || len(pin) > maxPIN {
			return nil, noPIN(t, fmt.Errorf("it has %d characters", len(pin)), "put the PIN there, alone in the first line")
		}
		return pin, nil
	}
}

// officersPIN is the token with the security officer's PIN for the user's: asked for where
// the config does not say.
func officersPIN(t config.Token) config.Token {
	t.Name, t.Pin = t.Name+" (security officer)", t.SOPin
	if reflect.ValueOf(t.SOPin).IsZero() {
		t.Pin.Prompt = true
	}
	return t
}

func noPIN(t config.Token, cause error, hint string) error {
	return &broker.Error{Kind: broker.Denied, Op: "read the PIN of token", Object: t.Name, Cause: cause, Hint: hint}
}

func (p *program) readPIN(ctx context.Context, t config.Token) ([]byte, error) {
	switch pin := t.Pin; {
	case pin.File != "":
		return ownfile.Read("PIN file", string(pin.File), ownfile.OthersMayNot{Read: true, Write: true}, maxSecretFile)
	case pin.Credential != "":
		return p.credential(t)
	case len(pin.Command) > 0:
		return p.pinCommand(ctx, t)
	case pin.Prompt:
		return p.askPIN(ctx, t)
	default:
		return p.pinVariable(t)
	}
}

// credential reads what systemd put there for this service (systemd.exec(5),
// LoadCredential=): its group may be able to read it.
func (p *program) credential(t config.Token) ([]byte, error) {
	dir := p.getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return nil, noPIN(t, errors.New("CREDENTIALS_DIRECTORY is not set: this is no service of systemd with credentials"),
			"add LoadCredential="+t.Pin.Credential+":/… to the unit, or use another source")
	}
	return ownfile.Read("credential", filepath.Join(dir, t.Pin.Credential), ownfile.OthersMayNot{Read: true, Write: true, GroupReads: true}, maxSecretFile)
}

// pinCommand runs a program without a shell. What it says on stderr is the
// person's to see; what it prints is not.
func (p *program) pinCommand(ctx context.Context, t config.Token) ([]byte, error) {
	cmd := exec.CommandContext(ctx, t.Pin.Command[0], t.Pin.Command[1:]...) //nolint:gosec // the operator's own, from a file that nobody else can change
	cmd.Stdin, cmd.Stderr = p.stdin, p.stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, noPIN(t, fmt.Errorf("run %s: %w", t.Pin.Command[0], err), "run the command by hand: it must print the PIN and end with 0")
	}
	return out, nil
}

// pinVariable is for tests and the like: what is in the environment of a process
// is easily seen by others.
func (p *program) pinVariable(t config.Token) ([]byte, error) {
	if t.Environment == broker.Production {
		return nil, noPIN(t, errors.New("an environment variable never holds a production PIN"), "use file, credential, command or prompt")
	}
	pin := p.getenv(t.Pin.Env)
	if pin == "" {
		return nil, noPIN(t, fmt.Errorf("the environment variable %s is not set", t.Pin.Env), "set it, or use another source")
	}
	return []byte(pin), nil
}

// askPIN asks at the terminal, which does not show what is typed. A signal ends
// the question and leaves the terminal as it was.
func (p *program) askPIN(ctx context.Context, t config.Token) ([]byte, error) {
	tty, ok := p.stdin.(*os.File)
	if !ok || !p.interactive {
		return nil, noPIN(t, errors.New("there is no terminal to ask at"), "run it at a terminal, or use file, credential or command")
	}
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, noPIN(t, err, "use file, credential or command")
	}
	fmt.Fprintf(p.stderr, "PIN of token %s: ", t.Name)
	pin, err := waitFor(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	fmt.Fprintln(p.stderr)
	if err != nil {
		return nil, noPIN(t, errors.Join(err, term.Restore(fd, before)), "")
	}
	return pin, nil
}

// waitFor reads from a person until ctx ends. A read that nobody waits for any
// more ends with the process.
func waitFor[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	answered := make(chan result, 1)
	go func() {
		value, err := read()
		answered <- result{value, err}
	}()
	select {
	case r := <-answered:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
