package main

import (
	"os"
	"os/exec"
	"testing"
)

func TestHolderIsReadBack(t *testing.T) {
	t.Parallel()
	me := newHolder()
	h, ok := parseHolder(me)
	if !ok || h.PID != os.Getpid() || h.String() != me || h.Host == "" {
		t.Errorf("%q is read as %+v, %v", me, h, ok)
	}
	for _, s := range []string{"", "host boot space pid start", "host boot space -1 start", me + " more"} {
		if _, ok := parseHolder(s); ok {
			t.Errorf("%q is a holder", s)
		}
	}
}

func TestLivingHolderIsNotStale(t *testing.T) {
	t.Parallel()
	if stale(newHolder()) {
		t.Error("this process is dead")
	}
	for _, s := range []string{"", "something else", "a b c d e"} {
		if stale(s) {
			t.Errorf("%q is known to be dead", s)
		}
	}
}

func TestDeadHolderIsStale(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h, _ := parseHolder(newHolder())
	h.PID, h.Start = cmd.Process.Pid, startOf(cmd.Process.Pid)
	if stale(h.String()) {
		t.Error("it lives, and is taken for dead")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if !stale(h.String()) {
		t.Error("it is dead, and is not known to be")
	}
}

func TestHolderIsToldFromItsSuccessors(t *testing.T) {
	t.Parallel()
	me, _ := parseHolder(newHolder())
	if me.Boot == "" || me.Start == "" || me.Space == "" {
		t.Log("this system does not say when it and its processes began: only a process that is gone is known to be dead")
		return
	}
	for what, c := range map[string]struct {
		change func(*holder)
		want   bool
	}{
		"a number used again":    {func(h *holder) { h.Start = "1" }, true},
		"before the last boot":   {func(h *holder) { h.Boot = "another" }, true},
		"another host":           {func(h *holder) { h.Host, h.PID = "another/", 999999999 }, false},
		"another container":      {func(h *holder) { h.Space, h.PID = "pid:[1]", 999999999 }, false},
		"another host's boot":    {func(h *holder) { h.Host, h.Boot = "another/", "another" }, false},
		"a boot nobody recorded": {func(h *holder) { h.Boot = "" }, false},
	} {
		h := me
		c.change(&h)
		if got := stale(h.String()); got != c.want {
			t.Errorf("%s: stale is %v, want %v", what, got, c.want)
		}
	}
}
