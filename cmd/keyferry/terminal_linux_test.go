package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/keyferry/keyferry/broker/config"
)

// terminal is a pseudo-terminal: what a person types goes in at the keyboard.
func terminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, keyboard) })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, tty) })
	return keyboard, tty
}

func closed(t *testing.T, f *os.File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func echoes(t *testing.T, fd int) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// asking is a stderr that tells when something was asked.
type asking struct {
	bytes.Buffer
	asked chan struct{}
}

func (a *asking) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "PIN of token hsm: ") {
		close(a.asked)
	}
	return a.Buffer.Write(p)
}

func TestPINIsAskedForAtTheTerminalAndNotShown(t *testing.T) {
	t.Parallel()
	keyboard, tty := terminal(t)
	fd := int(tty.Fd())
	stderr := &asking{asked: make(chan struct{})}
	p := &program{stdin: tty, stderr: stderr, interactive: true}
	done := make(chan string)
	go func() {
		pin, err := p.pinSource(config.Token{Name: "hsm", Pin: config.Pin{Prompt: true}})(t.Context())
		done <- fmt.Sprint(string(pin), err)
	}()
	<-stderr.asked
	if _, err := keyboard.WriteString("4711\n"); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got != "4711<nil>" {
		t.Errorf("read %s", got)
	}
	if !echoes(t, fd) {
		t.Error("the terminal is left without echo")
	}
}

func TestSignalEndsTheQuestionAndLeavesTheTerminalAsItWas(t *testing.T) {
	t.Parallel()
	keyboard, tty := terminal(t)
	fd := int(tty.Fd())
	stderr := &asking{asked: make(chan struct{})}
	p := &program{stdin: tty, stderr: stderr, interactive: true}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := p.pinSource(config.Token{Name: "hsm", Pin: config.Pin{Prompt: true}})(ctx)
		done <- err
	}()
	<-stderr.asked
	for echoes(t, fd) { // until the question is really open
		runtime.Gosched()
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if !echoes(t, fd) {
		t.Error("the terminal is left without echo")
	}
	// The read that nobody waits for any more ends with its line.
	if _, err := keyboard.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
}
