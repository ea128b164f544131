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
	"time"

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

// On a terminal progress is a bar with rate and rest; what is said meanwhile stands
// above it, and is told once.
func TestWatchDrawsOnATerminal(t *testing.T) {
	t.Parallel()
	screen, tty := terminal(t)
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 120}); err != nil {
		t.Fatal(err)
	}
	p, pass := ticking(nil)
	p.stderr = tty
	w := p.watch(4)
	if w.bar == nil {
		t.Fatal("nothing is drawn")
	}
	pass(time.Second)
	w.one(&importedRow{Key: "a", State: rowDone})
	w.one(&importedRow{Line: 3, Key: "b", State: rowFailed, Reason: "refused"})
	w.over()
	if p.drawn.Load() != nil {
		t.Error("it goes on drawing")
	}
	p.say("the end")
	got := shown(t, screen, "the end")
	for _, part := range []string{"2 of 4 keys, 1 failed, 2.0 a second, about 1s left", "keyferry: line 3: key b: refused\r\n", "===="} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is not in %q", part, got)
		}
	}
	if n := strings.Count(got, "line 3"); n != 1 {
		t.Errorf("told %d times: %q", n, got)
	}
}

// shown is what a terminal was told until the words.
func shown(t *testing.T, screen *os.File, until string) string {
	t.Helper()
	var all []byte
	for buf := make([]byte, 4096); !bytes.Contains(all, []byte(until)); {
		n, err := screen.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, all)
		}
		all = append(all, buf[:n]...)
	}
	return string(all)
}

func TestWatchDrawsNothingOnADumbTerminal(t *testing.T) {
	t.Parallel()
	_, tty := terminal(t)
	p, _ := ticking(nil)
	p.stderr, p.getenv = tty, func(string) string { return "dumb" }
	if w := p.watch(4); w.bar != nil {
		t.Error("it draws")
	}
}
