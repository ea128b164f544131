package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/keyferry/keyferry/broker"
)

// dumpableVariable, set to 1, leaves this process's memory to debuggers and core dumps.
const dumpableVariable = "KEYFERRY_DUMPABLE"

// closeMemory keeps what is in memory, a PIN and credentials among it, out of core
// dumps, and from other processes of this user. Root can read it nevertheless.
func (p *program) closeMemory() error {
	if p.dumpable() {
		p.say("%s is set: whoever gets at this process, or at its core dump, has the PIN and the credentials in it", dumpableVariable)
		return nil
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("switch core dumps off: %w", err)
	}
	return undumpable()
}

func (p *program) dumpable() bool { return p.getenv(dumpableVariable) == "1" }

// mayHoldPIN refuses a production PIN in a memory that was left open.
func (p *program) mayHoldPIN(environment string) error {
	if environment != broker.Production || !p.dumpable() {
		return nil
	}
	return &broker.Error{
		Kind: broker.Denied, Op: "use a token of", Object: environment,
		Cause: fmt.Errorf("%s is set, which leaves the PIN to core dumps", dumpableVariable), Hint: "unset " + dumpableVariable,
	}
}
