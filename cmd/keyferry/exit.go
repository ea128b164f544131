package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

// The exit codes.
const (
	exitDone    = 0
	exitFailed  = 1
	exitMisused = 2
	exitPartly  = 3 // some of it was done, or something was left behind
)

// verdict ends a command that has answered already, with a code of its own.
type verdict struct {
	code int
	err  error
}

func (v *verdict) Error() string { return v.err.Error() }
func (v *verdict) Unwrap() error { return v.err }

func misuse(format string, args ...any) error {
	return &broker.Error{Kind: broker.Misuse, Cause: fmt.Errorf(format, args...)}
}

// exitCode of an error. What changed something and did not finish is partly done.
func exitCode(err error) int {
	if v, ok := errors.AsType[*verdict](err); ok {
		return v.code
	}
	e, ok := errors.AsType[*broker.Error](err)
	switch {
	case err == nil:
		return exitDone
	case ok && e.Changed != "":
		return exitPartly
	case errors.Is(err, broker.Misuse):
		return exitMisused
	default:
		return exitFailed
	}
}

// explain tells a person what happened, to what, why, whether anything was
// changed, and what to do. It is the only place that prints an error.
func (p *program) explain(err error, command string) {
	changed, hint := changedBy(err), hintFor(err, command)
	p.say("%s", whatHappened(err))
	if e, ok := errors.AsType[*broker.Error](err); ok {
		for _, g := range e.Seen {
			p.line("  seen:    %s: %s", strings.TrimSpace(g.Target+" "+g.Ref), g.Why)
		}
	}
	p.line("  changed: %s", changed)
	if hint != "" {
		p.line("  do:      %s", hint)
	}
}

func whatHappened(err error) string {
	if bad, ok := errors.AsType[*config.FileError](err); ok {
		places := "1 place"
		if len(bad.List) > 1 {
			places = fmt.Sprintf("%d places", len(bad.List))
		}
		return fmt.Sprintf("the config is wrong in %s:\n%s", places, bad)
	}
	text := strings.TrimPrefix(err.Error(), string(broker.Misuse)+": ")
	if errors.Is(err, context.Canceled) && !strings.Contains(text, errStopped.Error()) {
		return errStopped.Error() + ": " + text
	}
	return text
}

// changedBy says what is known of changes: nothing, unless the error tells, or
// its effect is unclear.
func changedBy(err error) string {
	e, ok := errors.AsType[*broker.Error](err)
	switch {
	case ok && e.Changed != "":
		return e.Changed
	case errors.Is(err, broker.Unclear):
		return "unknown; the next run looks before it acts"
	default:
		return "nothing"
	}
}

// hintFor is the error's own advice, else what is right for its kind in that command.
func hintFor(err error, command string) string {
	if e, ok := errors.AsType[*broker.Error](err); ok {
		if hint := deepest(e); hint != "" {
			return hint
		}
		if e.Kind == broker.Throttled && e.RetryAfter > 0 {
			return fmt.Sprintf("try again in %s", e.RetryAfter)
		}
		if e.Permission != "" {
			return "grant " + e.Permission + "; keyferry doctor --policy, with the name of the target, prints all that is needed"
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "run the command again"
	}
	return usualHint(broker.KindOf(err), command)
}

// deepest hint in an error's tree: the outermost that says anything.
func deepest(e *broker.Error) string {
	for e != nil {
		if e.Hint != "" {
			return e.Hint
		}
		inner, ok := errors.AsType[*broker.Error](e.Cause)
		if !ok {
			return ""
		}
		e = inner
	}
	return ""
}

func usualHint(kind broker.Kind, command string) string {
	switch kind {
	case broker.NotFound:
		return "check the name: keyferry key list, keyferry operation list and keyferry target list show what there is"
	case broker.Conflict:
		return "look at what is there: keyferry key list, keyferry operation list --unfinished"
	case broker.Unsupported:
		return "keyferry doctor shows what the token and the targets can do"
	case broker.Denied:
		return "check PIN, credentials and permissions: keyferry doctor"
	case broker.Expired:
		return "run the command again: credentials, wrapping keys and import tokens are fetched anew"
	case broker.Rejected:
		return "the same call will be refused again: correct what it names"
	case broker.Throttled, broker.Unavailable:
		return "try again"
	case broker.Undecided:
		return "look at it: keyferry operation list --unfinished"
	case broker.Misuse:
		return "see " + command + " --help"
	case broker.Differs:
		return "what is there is not the token's material, and must not be used: keyferry audit list shows the proof"
	case broker.Tampered:
		return "find out who changed it: keyferry audit verify"
	default:
		return "look at what is there, and run the command again: keyferry operation list --unfinished"
	}
}

// say writes a line of talk.
func (p *program) say(format string, args ...any) { p.line("keyferry: "+format, args...) }

// line is shown as text: what a target or token says moves no cursor and forges no
// second line. Only our own lists have line ends.
func (p *program) line(format string, args ...any) {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return '\uFFFD'
		}
		return r
	}, fmt.Sprintf(format, args...))
	fmt.Fprintln(talk{p}, text)
}
