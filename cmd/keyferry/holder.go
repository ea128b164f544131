package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// holder says which process holds a lease, exactly enough to know later that it
// is dead: process numbers are used again, and start anew in every container.
type holder struct {
	Host  string // name, and the machine's id where it has one
	Boot  string // id of this boot; "" where the system has none
	Space string // PID namespace
	PID   int
	Start string // when the process began, in the system's own count
}

func newHolder() string {
	pid := os.Getpid()
	return holder{Host: machine(), Boot: firstLine("/proc/sys/kernel/random/boot_id"), Space: pidSpace(), PID: pid, Start: startOf(pid)}.String()
}

// String has a part for each field, in order.
func (h holder) String() string {
	return strings.Join([]string{h.Host, h.Boot, h.Space, strconv.Itoa(h.PID), h.Start}, " ")
}

func parseHolder(s string) (holder, bool) {
	parts := strings.Split(s, " ")
	if len(parts) != 5 {
		return holder{}, false
	}
	pid, err := strconv.Atoi(parts[3])
	return holder{Host: parts[0], Boot: parts[1], Space: parts[2], PID: pid, Start: parts[4]}, err == nil && pid > 0
}

// stale reports whether the process that holds a lease is known to be dead: it
// ran on this machine, and the machine was started anew since, or no process has
// its number and start. Whatever is not known for certain is not stale.
func stale(held string) bool {
	h, ok := parseHolder(held)
	me, okMe := parseHolder(newHolder())
	if !ok || !okMe || h.Host != me.Host {
		return false
	}
	if h.Boot != me.Boot {
		return h.Boot != "" && me.Boot != ""
	}
	return h.Space == me.Space && !alive(h)
}

func alive(h holder) bool {
	if err := syscall.Kill(h.PID, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	start := startOf(h.PID)
	return start == "" || h.Start == "" || start == h.Start
}

// machine is the host's name, with its id (machine-id(5)) where there is one: a
// name alone is given to many.
func machine() string {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	return strings.ReplaceAll(name, " ", "_") + "/" + firstLine("/etc/machine-id")
}

func pidSpace() string {
	link, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return link
}

// startOf a process: field 22 of proc_pid_stat(5), in clock ticks since boot. The
// name before it may hold anything, so counting begins after its bracket. "" where
// the system does not say.
func startOf(pid int) string {
	text := firstLine(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

func firstLine(path string) string {
	text, err := os.ReadFile(path) //nolint:gosec // one of the few files named above
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}
