package broker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// line is one operation on one key version under way: what is on record of it,
// and what it works with. It is used by one goroutine, under the key's lease.
type line struct {
	b       *Broker
	setup   TokenSetup
	op      Operation
	key     Key
	version KeyVersion
	places  []*place
	effects map[string]EffectRecord // by effect id
	leg     leg                     // how far it goes now
	resumed bool                    // an earlier run may have done more than is on record
	why     Why                     // of this run, where it is not the operation's own
	lease   Lease
	kept    *Retained // what is kept wrapped of the version, once it was checked
}

// place is one target of a line.
type place struct {
	target    Target
	caps      Capabilities
	spec      SpecCapability
	plan      Plan
	placement Placement
	enrolled  Enrolment
	asleep    string   // why the version cannot be used now, as last seen: its public key alone is asked for
	sources   []string // of the wrapping keys that this run fetched
	ready     *ready   // what was wrapped before anything was activated
	free      bool     // its name there was looked at in this run, and leads nowhere
}

// leaseLife is how long a lease lasts without being extended; a holder on this
// host that is dead is recognised at once.
const leaseLife = 10 * time.Minute

// takeLease makes this run the one writer of a key.
func (b *Broker) takeLease(ctx context.Context, name string) (Lease, func(), error) {
	return b.take(ctx, "key", name)
}

// take makes this run the only one at a thing: another run of the same process is
// another holder. The returned function gives the lease back.
func (b *Broker) take(ctx context.Context, thing, name string) (Lease, func(), error) {
	now := b.o.Now()
	l := Lease{Name: thing + "/" + name, Holder: b.o.Holder + "#" + newID(4), Now: now, Until: now.Add(leaseLife), Stale: b.stale}
	if err := b.o.Store.Lease(ctx, l); err != nil {
		return Lease{}, nil, fmt.Errorf("take the lease of %s %s: %w", thing, name, err)
	}
	return l, func() {
		l.Release = true
		if err := b.o.Store.Lease(context.WithoutCancel(ctx), l); err != nil {
			b.o.Log.WarnContext(ctx, "lease not given back; it runs out by itself", "lease", l.Name, "error", err)
		}
	}, nil
}

// stale asks for the process of a holder.
func (b *Broker) stale(holder string) bool {
	process, _, _ := strings.Cut(holder, "#")
	return b.o.Stale != nil && b.o.Stale(process)
}

// extend keeps the lease while a line runs for longer than half of it. A lease
// that ran out is never taken again: somebody else may have finished the work.
func (l *line) extend(ctx context.Context) error {
	now := l.b.o.Now()
	l.lease.Now = now
	if !now.Before(l.lease.Until) {
		return &Error{
			Kind: Conflict, Op: "keep the lease of", Object: "key " + l.key.Name, Cause: errors.New("it ran out while this waited"),
			Hint: "run the same command again: it goes on from what is on record",
		}
	}
	if l.lease.Until.Sub(now) > leaseLife/2 {
		return nil
	}
	l.lease.Until = now.Add(leaseLife)
	if err := l.b.o.Store.Lease(ctx, l.lease); err != nil {
		return fmt.Errorf("extend the lease of key %s: %w", l.key.Name, err)
	}
	return nil
}

// again is like the function, and keeps the lease at every try: a call that is
// made anew is made as the one writer, and none outlives the lease.
func (l *line) again(ctx context.Context, f func(context.Context) error) error {
	return again(ctx, func() error {
		if err := l.extend(ctx); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, l.lease.Until.Sub(l.lease.Now))
		defer cancel()
		return f(ctx)
	})
}

// wait lets the target settle, keeping the lease.
func (l *line) wait(ctx context.Context, d time.Duration) error {
	for ; d > 0; d -= leaseLife / 4 {
		if err := wait(ctx, min(d, leaseLife/4)); err != nil {
			return err
		}
		if err := l.extend(ctx); err != nil {
			return err
		}
	}
	return nil
}

// apply writes one change with its audit entry.
func (l *line) apply(ctx context.Context, event string, p *place, c Change, details map[string]any) (Head, error) {
	if err := l.extend(ctx); err != nil {
		return Head{}, err
	}
	c.Lease = &l.lease
	c.Entry = Entry{
		At: l.b.o.Now(), Event: event, Operation: l.op.ID, Key: l.key.Name, Number: l.version.Number,
		Actor: l.b.o.Actor, Reason: first(l.why.Reason, l.op.Reason), Ticket: first(l.why.Ticket, l.op.Ticket), Details: details,
	}
	if p != nil {
		c.Entry.Target = p.target.Name
		c.Entry.Principal = l.b.principal(p.target.Name)
	}
	return l.b.write(ctx, l.setup, c)
}

// write puts a change on record: its rows in the audit, the audit under seal.
func (b *Broker) write(ctx context.Context, setup TokenSetup, c Change) (Head, error) {
	c, err := c.witnessed()
	if err == nil {
		c.Trust = func(end Ended) error { return b.trustBefore(ctx, setup, end) }
		c.Seal = func(h Head) ([]byte, error) { return seal(ctx, setup, h.Record()) }
		var head Head
		if head, err = b.o.Store.Apply(ctx, c); err == nil {
			b.end.reach(Head{Seq: head.Seq, Hash: head.Hash}, false)
			if !c.Soft {
				b.end.sync(head)
			}
			return head, nil
		}
	}
	return Head{}, fmt.Errorf("record %s: %w", c.Entry.Event, err)
}

// intend puts an effect on record before it happens. When it was there already,
// an earlier run may have caused it: known is then true.
func (l *line) intend(ctx context.Context, p *place, step Step, intent any, details map[string]any) (rec EffectRecord, known bool, err error) {
	e := l.effect(p, step)
	if rec, ok := l.effects[e.ID()]; ok {
		return rec, true, nil
	}
	text, err := json.Marshal(intent)
	if err != nil {
		return EffectRecord{}, false, fmt.Errorf("encode intent of %s: %w", step, err)
	}
	rec = EffectRecord{Effect: e, Intent: text, At: l.b.o.Now()}
	details = with(details, "effect", e.ID())
	if _, err := l.apply(ctx, string(step)+".intended", p, Change{Intent: &rec}, details); err != nil {
		return EffectRecord{}, false, err
	}
	l.effects[e.ID()] = rec
	return rec, false, nil
}

// settle puts an effect's result on record, together with what it changed.
func (l *line) settle(ctx context.Context, p *place, rec EffectRecord, result any, details map[string]any) error {
	text, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encode result of %s: %w", rec.Effect.Step, err)
	}
	rec.Result, rec.DoneAt = text, l.b.o.Now()
	change := Change{Result: &rec, Placements: []Placement{p.placement}, Soft: rec.Effect.Step.foundAnew()}
	if _, err := l.apply(ctx, string(rec.Effect.Step)+".done", p, change, with(details, "effect", rec.Effect.ID())); err != nil {
		return err
	}
	l.effects[rec.Effect.ID()] = rec
	return nil
}

func (l *line) effect(p *place, step Step) Effect {
	return Effect{Operation: l.op.ID, Target: p.target.Name, Step: step}
}

// stop puts on record why a line did not finish: failed can be resumed,
// undecided waits for a person. Nothing else is written: what this process
// believes of version and placements, but could not put on record with its
// evidence, is found out anew. It returns the error it was given.
func (l *line) stop(ctx context.Context, cause error) error {
	ctx = context.WithoutCancel(ctx)
	l.op.State, l.op.Problem = Failed, printable(cause.Error())
	details := map[string]any{"problem": l.op.Problem}
	if e, ok := errors.AsType[*Error](cause); ok && e.Kind == Undecided {
		l.op.State = UndecidedState
		details = with(with(with(details, "seen", e.Seen), "first", e.Hint), "do", l.ways(cause))
	}
	change := Change{Operation: &l.op}
	if _, err := l.apply(ctx, l.op.Kind.stopped(l.op.State), nil, change, details); err != nil {
		cause = errors.Join(cause, err)
	}
	return l.advise(cause)
}

// advise tells a person what an unfinished line leaves behind and what to do.
func (l *line) advise(cause error) error {
	return l.advised(cause, string(l.op.Kind), l.waysOn(cause))
}

// advised is the cause as what became of op, with what is left and the way on.
func (l *line) advised(cause error, op, way string) error {
	told := Error{Kind: KindOf(cause), Op: op, Object: "key " + l.key.Name, Cause: cause, Changed: l.leftBehind()}
	var hints []string
	if e, ok := errors.AsType[*Error](cause); ok {
		told.RetryAfter, told.Changed, told.Seen = e.RetryAfter, first(e.Changed, told.Changed), e.Seen
		hints = append(hints, first(e.Hint, remedy(e)))
	}
	hints = append(hints, way)
	told.Hint = strings.Join(slices.DeleteFunc(hints, func(h string) bool { return h == "" }), "; then ")
	return &told
}

// waysOn are the commands that end an unfinished line, in words.
func (l *line) waysOn(cause error) string {
	back := l.op.goesBack() + " takes it back"
	if len(l.ways(cause)) == 1 {
		return back + "; import under another name"
	}
	return l.op.resumes() + " goes on from here; " + back
}

// ways are those commands: what has failed somewhere for good is not resumed, but taken
// back, and so is what nobody can do anything about.
func (l *line) ways(cause error) []string {
	e, ok := errors.AsType[*Error](cause)
	helpless := ok && e.Kind == Undecided && e.Hint == ""
	if helpless || l.op.Kind == OpImport && l.usable() != nil {
		return []string{l.op.goesBack()}
	}
	return l.op.ways()
}

// remedy is the advice for what has none of its own: a permission is missing, or the
// target said when.
func remedy(e *Error) string {
	switch {
	case e.Permission != "":
		return "grant " + e.Permission
	case e.Kind == Throttled && e.RetryAfter > 0:
		return fmt.Sprintf("wait %s, as the target says", e.RetryAfter)
	default:
		return ""
	}
}

func (l *line) placements() []Placement {
	out := make([]Placement, 0, len(l.places))
	for _, p := range l.places {
		out = append(out, p.placement)
	}
	return out
}

// leftBehind says in words what exists so far.
func (l *line) leftBehind() string {
	var parts []string
	if l.version.Material.ID != "" {
		parts = append(parts, fmt.Sprintf("material %s is %s", l.version.Material.ID, l.version.Retain.where()))
	}
	for _, p := range l.places {
		if p.placement.Version.Key.ID != "" && !l.nothingSent(p) {
			parts = append(parts, fmt.Sprintf("%s is at target %s (%s)", p.placement.Version.Key.ID, p.target.Name, p.placement.Step))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return listed(parts)
}

// nothingSent: the key comes to be with its first import, and none was begun.
func (l *line) nothingSent(p *place) bool {
	_, begun := l.effects[l.effect(p, StepImport).ID()]
	return p.caps.ImportMakesKey && p.placement.Step == PlacementIntended && !begun
}

// principal the broker is at a target, as far as it was asked.
func (b *Broker) principal(target string) string {
	b.known.mu.Lock()
	defer b.known.mu.Unlock()
	return b.known.identities[target].Principal
}

// view reads an operation and its key back from the store: what is on record, not
// what this process believes.
func (l *line) view(ctx context.Context, done bool) (Result, error) {
	op, err := l.b.o.Store.Operation(ctx, l.op.ID)
	if err != nil {
		return Result{}, fmt.Errorf("read operation %s: %w", l.op.ID, err)
	}
	key, err := l.b.o.Store.Key(ctx, l.key.Name)
	if err != nil {
		return Result{}, fmt.Errorf("read key %s: %w", l.key.Name, err)
	}
	return Result{Operation: op, Key: key, AlreadyDone: done}, nil
}

// with returns details with one more field.
func with(details map[string]any, name string, value any) map[string]any {
	out := maps.Clone(details)
	if out == nil {
		out = map[string]any{}
	}
	out[name] = value
	return out
}

// newID is n random bytes in hex.
func newID(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// newOperationID is sortable by time for people who read a list, and random
// enough to live for ever: 20261124T093005-1f2e3d4c5b6a.
func newOperationID(now time.Time) string {
	return now.UTC().Format("20060102T150405") + "-" + newID(6)
}
