package softtoken

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// RelayModule is the side of p11-kit's relay that a program loads, instead of a token's own module. Its error says how to get one.
func RelayModule() (string, error) {
	for _, pattern := range []string{"/usr/lib/*/pkcs11/p11-kit-client.so", "/usr/lib64/pkcs11/p11-kit-client.so", "/usr/lib/pkcs11/p11-kit-client.so"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 { // its only error is a pattern that is none
			return found[0], nil
		}
	}
	return "", fmt.Errorf("find p11-kit's client module: it is not there: run `make setup`, or leave it out with %s=p11-kit", SkipVariable)
}

// Serve starts the side of the relay that has the token, in a process of its own, and returns what a program that loads
// [RelayModule] must find in its environment. It ends with ctx, or when stop is called, which must be called.
func (t Token) Serve(ctx context.Context) (env string, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "relay") // the path of a socket has 104 bytes at most
	if err != nil {
		return "", nil, fmt.Errorf("make a directory: %w", err)
	}
	socket := filepath.Join(dir, "socket")
	server := exec.CommandContext(ctx, "p11-kit", "server", "--foreground", "--provider", t.Module, "--name", socket, "pkcs11:serial="+t.Serial) //nolint:gosec // our own words
	server.Env, server.Stderr = append([]string{"PATH=" + os.Getenv("PATH")}, t.Env...), os.Stderr
	stop = func() error {
		if server.Process != nil {
			_ = server.Process.Kill() // one that has ended already is as it should be
			_ = server.Wait()
		}
		return os.RemoveAll(dir)
	}
	says, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err == nil {
		_, err = says.Read(make([]byte, 1)) // it prints the address when it listens
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("start p11-kit's server: %w", err), stop())
	}
	return "P11_KIT_SERVER_ADDRESS=unix:path=" + socket, stop, nil
}
