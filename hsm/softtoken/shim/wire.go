package shim

import (
	"encoding/binary"
	"io"
	"strings"
)

// What is said on a connection: c/control.h has the same structures. A connection is one call: question, verdict, and if the
// verdict forwards it, the module's result and the result to answer.
type question struct {
	Function [32]byte
	PID      uint64
	Flags    uint64
	Handle   uint64
	Mech     uint64
	Extra    uint64
}

type verdict struct {
	Action, Result        uint64
	Set, Clear            uint64
	MaxSessions           uint64
	Empty, Purge, OneStep uint64
}

const (
	forwarded uint64 = 0
	answered  uint64 = 1
)

// Flags of a question.
const (
	slot        = 1
	session     = 2
	sizing      = 4
	tokenObject = 8
)

func receive(r io.Reader, message any) error { return binary.Read(r, binary.NativeEndian, message) }

func send(w io.Writer, message any) error { return binary.Write(w, binary.NativeEndian, message) }

func (q question) call() *Call {
	c := &Call{
		PID:         int(q.PID), //nolint:gosec // a process id
		Function:    strings.TrimRight(string(q.Function[:]), "\x00"),
		Mechanism:   uint(q.Mech),
		Extra:       uint(q.Extra),
		Sizing:      q.Flags&sizing != 0,
		TokenObject: q.Flags&tokenObject != 0,
		first:       q.Flags & (slot | session),
	}
	switch c.first {
	case slot:
		c.Slot = uint(q.Handle)
	case session:
		c.Session = uint(q.Handle)
	}
	return c
}
