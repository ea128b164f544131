package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// settle puts a program that was just built where an installed one is: on the disk. What was just written is in the system's memory
// in large pieces, and any part of a piece makes the whole of it resident.
func settle(path string) error {
	f, err := os.Open(path) //nolint:gosec // what was just built
	if err != nil {
		return fmt.Errorf("settle a program: %w", err)
	}
	err = f.Sync()
	if err == nil {
		err = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("settle %s: %w", path, err)
	}
	return nil
}
