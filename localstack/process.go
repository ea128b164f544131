package localstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is a process group that one goroutine waits for.
type process struct {
	dir  string // what it writes to
	log  string // the file in it with its output
	stop func() // ends all its processes and waits
	done <-chan struct{}
}

// run starts l in a process group of its own, that ends when ctx does.
func run(ctx context.Context, l launch) (*process, error) {
	if err := errors.Join(os.RemoveAll(l.dir), os.MkdirAll(l.dir, 0o700)); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(l.dir, "log"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := command(ctx, l, log)
	_, err = cmd.StdinPipe() // when it ends, the process knows that we are gone
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, errors.Join(err, log.Close())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait(cmd, log)
	}()
	stop := func() {
		cancel()
		<-done
	}
	return &process{dir: l.dir, log: log.Name(), stop: stop, done: done}, nil
}

func command(ctx context.Context, l launch, log *os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.args[0], l.args[1:]...) //nolint:gosec // Docker or the Python of our own cache
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = l.dir, l.env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, l.signal) }
	cmd.WaitDelay = 20 * time.Second // then it is killed
	return cmd
}

// wait returns when the first process has ended, with those it has left behind
// killed. How it ended is in the log.
func wait(cmd *exec.Cmd, log *os.File) {
	err := cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_, _ = fmt.Fprintf(log, "ended: %v\n", err)
	_ = log.Close()
}

// answer waits until the LocalStack that p is answers at endpoint. It gives up
// when ctx ends or when p does.
func (p *process) answer(ctx context.Context, endpoint string) (version string, err error) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if version, err = ask(ctx, 5*time.Second, endpoint); err == nil {
			return version, nil
		}
		select {
		case <-again.C:
		case <-p.done:
			return "", fmt.Errorf("it ended with %q", lastLine(p.log))
		case <-ctx.Done():
			return "", fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// lastLine is that of its output, before what wait has written.
func lastLine(file string) string {
	text, err := os.ReadFile(file) //nolint:gosec // the log that run has made
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(lines[max(0, len(lines)-2)])
}
