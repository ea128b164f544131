package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vbauerster/mpb/v8"
	"golang.org/x/term"
)

// program is what one run works with. Tests replace the parts that reach out.
type program struct {
	stdin       io.Reader
	stdout      io.Writer // the answer
	stderr      io.Writer // the talk
	getenv      func(string) string
	now         func() time.Time
	interactive bool // a person can be asked: stdin and stderr are a terminal
	openToken   tokenOpener
	providers   []provider
	drawn       atomic.Pointer[mpb.Progress] // what is drawn on stderr now: words go above it
}

func newProgram() *program {
	return &program{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
		now:         time.Now, //nolint:forbidigo // the one clock; everything else is given it
		interactive: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())),
		openToken:   openPKCS11,
		providers:   shipped(),
	}
}

// main runs the command line and returns the exit code: 0 done, 1 failed,
// 2 misused, 3 partly done.
func (p *program) main(args []string) int {
	for _, name := range caVariables() {
		_ = os.Unsetenv(name) // it fails for a malformed name only
	}
	if err := p.closeMemory(); err != nil {
		p.explain(err, "keyferry")
		return exitFailed
	}
	ctx, stop := p.untilSignal(context.Background())
	defer stop()
	return p.run(ctx, args)
}

// caVariables replace the system's roots in Go's TLS (crypto/x509). Which CA counts
// is for the enrolled config to say, not for whoever sets the environment.
func caVariables() []string { return []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} }

// run is main without the signals.
func (p *program) run(ctx context.Context, args []string) int {
	app := p.app()
	if len(args) > 0 && args[0] == completeWord {
		p.complete(app, args[1:])
		return exitDone
	}
	ordered, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, ordered)
	}
	if err != nil {
		p.explain(err, commandOf(app, args))
	}
	return exitCode(err)
}

// errStopped is why a command ended early on a signal.
var errStopped = errors.New("stopped by a signal")

// untilSignal is a context that the first SIGINT or SIGTERM ends: the command
// stops at the next safe point and says what is left. The second has its usual
// effect, at once.
func (p *program) untilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer close(done)
		select {
		case <-signals:
			signal.Stop(signals)
			p.say("stopping at the next safe point; the same signal again stops at once")
			cancel(errStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-done
	}
}
