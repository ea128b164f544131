package localstack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// launch is one way to start LocalStack.
type launch struct {
	args   []string
	env    []string       // the whole environment
	signal syscall.Signal // what ends it
	dir    string         // for its state and its log
}

// image is what install.sh pulls.
const image = "localstack/localstack:4.14.0"

// choose is Docker where the image is there, else the virtual environment.
func choose(ctx context.Context, cache string, port int) (launch, error) {
	dir := filepath.Join(cache, "localstack", fmt.Sprint(port))
	if docker, ok := findDocker(ctx); ok {
		return dockerLaunch(docker, dir, port), nil
	}
	venv := filepath.Join(cache, "localstack-venv")
	if _, err := os.Stat(filepath.Join(venv, "stamp")); err != nil { // install.sh writes it last
		return launch{}, fmt.Errorf("start LocalStack: %w: %w", ErrMissing, err)
	}
	return venvLaunch(venv, dir, port), nil
}

// settings are the same for both: only what tests need, nothing from a network.
func settings() []string {
	return []string{"SERVICES=kms,sts,iam", "ACTIVATE_PRO=0", "DISABLE_EVENTS=1", "SKIP_SSL_CERT_DOWNLOAD=1", "DNS_ADDRESS=0"}
}

func findDocker(ctx context.Context) (string, bool) {
	docker, err := exec.LookPath("docker")
	if err != nil {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return docker, exec.CommandContext(ctx, docker, "image", "inspect", image).Run() == nil //nolint:gosec // from PATH
}

func dockerLaunch(docker, dir string, port int) launch {
	args := []string{docker, "run", "--rm", "--publish", fmt.Sprintf("127.0.0.1:%d:4566", port)}
	for _, s := range settings() {
		args = append(args, "--env", s)
	}
	// The docker command passes SIGTERM on to the container; SIGKILL it could not.
	return launch{args: append(args, image), env: os.Environ(), signal: syscall.SIGTERM, dir: dir}
}

// untilEOF runs LocalStack until its standard input ends, so that it does not
// outlive the process that holds the other end.
const untilEOF = `
import os, runpy, sys, threading
def watch():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
runpy.run_module("localstack.runtime.main", run_name="__main__")
`

func venvLaunch(venv, dir string, port int) launch {
	env := append(settings(),
		"PATH="+os.Getenv("PATH"), "HOME="+dir, "CONFIG_DIR="+filepath.Join(dir, "config"), "PYTHONUNBUFFERED=1",
		// In a container it would take /var/lib/localstack for its own.
		"FILESYSTEM_ROOT="+filepath.Join(dir, "state"), "OVERRIDE_IN_DOCKER=0",
		// Of an IPv4 address it takes the port alone and listens on every interface
		// (4.9.2 and 4.14.0, runtime/server/twisted.py); of an IPv6 one the host too.
		fmt.Sprintf("GATEWAY_LISTEN=[::ffff:127.0.0.1]:%d", port))
	return launch{args: []string{filepath.Join(venv, "bin", "python"), "-c", untilEOF}, env: env, signal: syscall.SIGKILL, dir: dir}
}

// cacheDir is dir, or .cache of the clone around the working directory.
func cacheDir(dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(dir)
	}
	at, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(at, "go.mod")); missing == nil {
			return filepath.Join(at, ".cache"), nil
		}
		if filepath.Dir(at) == at {
			return "", fmt.Errorf("no go.mod at or above the working directory: %w", os.ErrNotExist)
		}
		at = filepath.Dir(at)
	}
	return "", err
}
