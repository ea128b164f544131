package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// putApart puts the token into a process of its own, behind p11-kit's relay: what is resident of keyferry is then keyferry's. The
// relay lets no AES-ECB through, by which an AES key's way is probed: such a site brings HMAC keys.
func (s *site) putApart(ctx context.Context) error {
	found, err := filepath.Glob("/usr/lib/*/pkcs11/p11-kit-client.so")
	if err != nil || len(found) == 0 {
		return errors.New("find p11-kit's client module: it is not there: run `make setup`")
	}
	if s.sockets, err = os.MkdirTemp("", "relay"); err != nil { // the path of a socket has 104 bytes at most
		return fmt.Errorf("make a directory: %w", err)
	}
	socket := filepath.Join(s.sockets, "socket")
	s.relay = exec.CommandContext(ctx, "p11-kit", "server", "--foreground", "--provider", s.token.Module, "--name", socket, "pkcs11:serial="+s.token.Serial) //nolint:gosec // our own words
	s.relay.Env = append([]string{"PATH=" + os.Getenv("PATH")}, s.token.Env...)
	says, err := s.relay.StdoutPipe()
	if err == nil {
		err = s.relay.Start()
	}
	if err == nil {
		_, err = says.Read(make([]byte, 1)) // it prints the address when it listens
	}
	if err != nil {
		return fmt.Errorf("start p11-kit's server: %w", err)
	}
	s.token.Module, s.spec = found[0], "hmac-256"
	s.token.Env = slices.DeleteFunc(s.token.Env, func(e string) bool { return strings.HasPrefix(e, "SOFTHSM2_CONF=") })
	s.token.Env = append(s.token.Env, "P11_KIT_SERVER_ADDRESS=unix:path="+socket)
	return nil
}

// closeRelay ends what putApart started.
func (s *site) closeRelay() {
	if s.relay != nil && s.relay.Process != nil {
		_ = s.relay.Process.Kill() // what is measured was measured
		_ = s.relay.Wait()
	}
	if s.sockets != "" {
		_ = os.RemoveAll(s.sockets)
	}
}
