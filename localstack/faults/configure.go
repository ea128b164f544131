package faults

import (
	"bytes"
	"fmt"
	"sync"
)

// Configure is a Subject's: it applies a change in JSON under the emulator's lock. A
// member that the change does not have is an error.
func Configure[C any](mu sync.Locker, text []byte, apply func(C) error) error {
	var c C
	if err := decode(bytes.NewReader(text), &c); err != nil {
		return fmt.Errorf("bad emulator configuration: %w", err)
	}
	mu.Lock()
	defer mu.Unlock()
	return apply(c)
}
