package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// undumpable: a core that a handler takes (core(5), a pipe) heeds no limit, but does heed
// this; and /proc/PID/mem, environ and the like become root's (prctl(2), PR_SET_DUMPABLE).
func undumpable() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close the memory to others: %w", err)
	}
	return nil
}
