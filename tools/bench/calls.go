package main

import (
	"context"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/localstack/faults"
)

// called is what the AWS emulator was asked.
type called struct {
	count     map[string]int // by action
	throttled int
	at        map[string][]time.Time // by action, when each was answered without an error
	last      int                    // number of the last call
}

// calls are those after a number.
func (s *site) calls(ctx context.Context, since int) (called, error) {
	log, err := s.aws.Admin().Calls(ctx, faults.CallQuery{Since: since})
	if err != nil {
		return called{}, fmt.Errorf("read the emulator's calls: %w", err)
	}
	c := called{count: map[string]int{}, at: map[string][]time.Time{}, last: since}
	for _, one := range log {
		c.count[one.Action]++
		c.last = one.N
		switch one.Code {
		case "":
			c.at[one.Action] = append(c.at[one.Action], one.At)
		case "ThrottlingException":
			c.throttled++
		}
	}
	return c, nil
}

func (c called) total() (n int) {
	for _, of := range c.count {
		n += of
	}
	return n
}
