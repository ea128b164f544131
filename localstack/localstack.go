package localstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
)

// EndpointVariable is the environment variable that names a LocalStack that runs
// already, by its URL.
const EndpointVariable = "LOCALSTACK_ENDPOINT"

// Account is the account that LocalStack answers for. It takes any region and any
// credentials.
const Account = "000000000000"

// usual is where a LocalStack listens that a person has started.
const usual = "http://127.0.0.1:4566"

// Errors of [StartAWS].
var (
	// ErrMissing means that there is none on this machine.
	ErrMissing = errors.New("LocalStack is not installed here: run `make setup`")
	// ErrNotReady means that one was named or started and does not answer for KMS.
	ErrNotReady = errors.New("LocalStack does not answer for KMS")
)

// Options say where LocalStack is found. The zero value is right for tests.
type Options struct {
	Endpoint string        // of one that runs; "" is what LOCALSTACK_ENDPOINT names
	Cache    string        // where install.sh installs; "" is .cache of the clone around the working directory
	Ready    time.Duration // how long it may take to answer; 0 is five minutes
}

// LocalStack is one that answers.
type LocalStack struct {
	Endpoint string // "http://127.0.0.1:4566"
	Version  string // "4.9.2"
	Log      string // the file it logs to; "" when it was found running

	process *process // nil when it was found running
}

// StartAWS returns a LocalStack that answers for KMS: the one that o or
// LOCALSTACK_ENDPOINT names, which then must answer; else one at the usual port;
// else a new and empty one on a free port of loopback, from Docker where the
// pinned image is there, from the virtual environment of install.sh where not. A
// new one runs until Stop, or until ctx ends. Errors: [ErrMissing], [ErrNotReady].
func StartAWS(ctx context.Context, o Options) (*LocalStack, error) {
	ready, cancel := context.WithTimeout(ctx, cmp.Or(o.Ready, 5*time.Minute))
	defer cancel()
	if named := cmp.Or(o.Endpoint, os.Getenv(EndpointVariable)); named != "" {
		return running(ready, time.Minute, named) // it may be busy with others' tests
	}
	if found, err := running(ready, 5*time.Second, usual); err == nil {
		return found, nil
	}
	cache, err := cacheDir(o.Cache)
	if err != nil {
		return nil, fmt.Errorf("find the clone: %w", err)
	}
	return start(ctx, ready, cache)
}

// running is the LocalStack at an endpoint, if it answers within that time.
func running(ctx context.Context, within time.Duration, endpoint string) (*LocalStack, error) {
	version, err := ask(ctx, within, endpoint)
	if err != nil {
		return nil, fmt.Errorf("ask LocalStack at %s: %w: %w", endpoint, ErrNotReady, err)
	}
	return &LocalStack{Endpoint: endpoint, Version: version}, nil
}

// start starts a new one, which ends with ctx, and waits until ready ends for it
// to answer.
func start(ctx, ready context.Context, cache string) (*LocalStack, error) {
	port, err := emu.FreePort(ready)
	if err != nil {
		return nil, fmt.Errorf("start LocalStack: %w", err)
	}
	l, err := choose(ready, cache, port)
	if err != nil {
		return nil, err
	}
	p, err := run(ctx, l)
	if err != nil {
		return nil, fmt.Errorf("start LocalStack: %w", err)
	}
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
	version, err := p.answer(ready, endpoint)
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("start LocalStack: %w: %w; its log is %s", ErrNotReady, err, p.log)
	}
	return &LocalStack{Endpoint: endpoint, Version: version, Log: p.log, process: p}, nil
}

// Stop ends the LocalStack that StartAWS started, with all its processes, waits
// for them and removes what they kept. One that was found running stays.
func (l *LocalStack) Stop() error {
	if l == nil || l.process == nil {
		return nil
	}
	l.process.stop()
	if err := os.RemoveAll(l.process.dir); err != nil {
		return fmt.Errorf("remove the state of LocalStack: %w", err)
	}
	return nil
}
