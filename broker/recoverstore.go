package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// storeMissing is the event that puts on record what is there and what the store did
// not know of.
const storeMissing = "store.missing"

// Recovered is what reconciling a store found that no record names.
type Recovered struct {
	Older      bool     `json:"older"`      // than the token remembers
	Remembered int64    `json:"remembered"` // number of the audit entry that the token remembers; 0 none
	Head       int64    `json:"head"`       // number of the store's last one, before
	Missing    []Orphan `json:"missing"`    // at the targets and in the token
	// NotLooked are targets of the config that this store has no enrolment of, or another
	// one: they were not looked at, and nothing is done there before they are enrolled.
	NotLooked []string `json:"not_looked"`
}

// RecoverStore reconciles a store that is older than what the token remembers: a backup
// that was restored, or a copy of a machine. Everything at the targets and in the token
// that carries our mark and that the store does not know of goes on record as missing,
// so that no key of that name is begun again and nothing is made twice; nothing of it
// is taken over, since no record says what was decided about it. Then the token
// remembers this store as it is, and it can be written again. Every enrolled target must
// answer. Killed at any point and run again, it ends the same. A reason is required.
func (b *Broker) RecoverStore(ctx context.Context, why Why) (Recovered, error) {
	return b.recoverStore(ctx, why, errOlderStore)
}

// recoverStore goes on with a store that the token refuses for one of the reasons.
func (b *Broker) recoverStore(ctx context.Context, why Why, reasons ...error) (Recovered, error) {
	if why.Reason == "" {
		return Recovered{}, misuse("recover the store", "a reason is required: --reason …")
	}
	out, err := b.planRecover(ctx, reasons...)
	if err != nil {
		return out, err
	}
	setup, err := b.token()
	if err != nil {
		return out, err
	}
	for _, o := range out.Missing {
		if err := b.recordMissing(ctx, setup, o, why); err != nil {
			return out, err
		}
	}
	entry := Entry{
		At: b.o.Now(), Event: "store.recovered", Actor: b.o.Actor, Reason: why.Reason, Ticket: why.Ticket,
		Details: map[string]any{"older": out.Older, "token_remembered": out.Remembered, "missing": len(out.Missing), "not_looked": out.NotLooked},
	}
	if _, err := b.write(ctx, setup, Change{Entry: entry}); err != nil {
		return out, err
	}
	return out, b.rememberThis(ctx, setup)
}

// PlanRecover says what RecoverStore would put on record, and changes nothing.
func (b *Broker) PlanRecover(ctx context.Context) (Recovered, error) {
	return b.planRecover(ctx, errOlderStore)
}

func (b *Broker) planRecover(ctx context.Context, reasons ...error) (Recovered, error) {
	setup, err := b.token()
	if err != nil {
		return Recovered{}, err
	}
	kept, err := b.remembered(ctx, setup)
	if err != nil {
		return Recovered{}, err
	}
	out := Recovered{Remembered: kept.Head.Seq, Missing: []Orphan{}, NotLooked: []string{}}
	refusal, head, err := b.accept(ctx, setup, reasons...)
	if err != nil {
		return out, err
	}
	out.Older, out.Head = errors.Is(refusal, errOlderStore), head
	if err := b.trustRecords(ctx, nil); err != nil {
		return out, fmt.Errorf("recover the store: %w", b.enrolRestored(setup, refusal, err))
	}
	if err := b.lookAtAll(ctx, &out); err != nil {
		return out, err
	}
	objects, err := b.strayObjects(ctx, setup)
	out.Missing = append(out.Missing, objects...)
	return out, err
}

// lookAtAll looks at every target that this store has an enrolment of.
func (b *Broker) lookAtAll(ctx context.Context, out *Recovered) error {
	enrolled, err := b.o.Store.Enrolments(ctx)
	if err != nil {
		return fmt.Errorf("read enrolments: %w", err)
	}
	for _, t := range b.o.Targets {
		if e, err := find(enrolled, EnrolTarget, t.Name); err != nil || e.Matches(t.Environment, t.Pins) != nil {
			out.NotLooked = append(out.NotLooked, t.Name)
			continue
		}
		found, err := b.Orphans(ctx, []string{t.Name})
		if err != nil {
			return fmt.Errorf("look at target %s: %w", t.Name, err)
		}
		out.Missing = append(out.Missing, found...)
	}
	return nil
}

// enrolRestored is the way out for a store that is older than the token's enrolment, or
// than a change of its config: only with that it is enrolled and recovered in one.
func (b *Broker) enrolRestored(setup TokenSetup, refusal, cause error) error {
	if refusal == nil {
		return cause
	}
	return &Error{
		Kind: KindOf(cause), Op: "use", Object: "token " + setup.Name, Cause: cause,
		Hint: "keyferry token enrol --environment " + setup.Environment + " --restored --reason …, which recovers the store as well",
	}
}

// OlderStore is why the store is read-only, as far as the token tells: nil where it is
// not, or where that cannot be found out. This Broker then looks with it all the same.
func (b *Broker) OlderStore(ctx context.Context) error {
	setup, err := b.token()
	if err != nil {
		return nil //nolint:nilerr // what needs the token says so itself
	}
	refusal, _, _ := b.accept(ctx, setup, errOlderStore)
	return refusal
}

// accept lets this Broker, and no other, look and write although the token refuses the
// store for one of the reasons. The store's end must hold all the same.
func (b *Broker) accept(ctx context.Context, setup TokenSetup, reasons ...error) (refusal error, head int64, err error) {
	end, err := b.o.Store.Told(ctx, "")
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit: %w", err)
	}
	if err := b.checkEnd(ctx, setup, end.Ended, false); err != nil {
		return nil, 0, err
	}
	refusal = b.checkAnchor(ctx, setup, end.Entry.Head())
	accepted := slices.ContainsFunc(reasons, func(why error) bool { return errors.Is(refusal, why) })
	if refusal != nil && !accepted {
		return nil, 0, refusal
	}
	b.end.reach(end.Entry.Head(), true)
	return refusal, end.Entry.Seq, nil
}

// recordMissing puts one on record under the key name it is marked with, once.
func (b *Broker) recordMissing(ctx context.Context, setup TokenSetup, o Orphan, why Why) error {
	if o.Name == "" {
		return nil // it is listed all the same, for as long as it is there
	}
	t, err := b.told(ctx, KeySubject(o.Name))
	if err != nil || t.begun || t.missing[o.ref()] {
		return err
	}
	_, err = b.write(ctx, setup, Change{Entry: Entry{
		At: b.o.Now(), Event: storeMissing, Key: o.Name, Target: o.Target, Actor: b.o.Actor, Reason: why.Reason, Ticket: why.Ticket,
		Details: map[string]any{"ref": o.ref(), "effect": o.Effect, "state": o.State, "has_material": o.HasMaterial},
	}})
	return err
}

// ref names an orphan in records.
func (o Orphan) ref() string {
	return strings.TrimSuffix(first(string(o.Material), o.WrappingKey, o.Key.ID)+" "+o.Version, " ")
}

// notMissing refuses to begin a key of which something was there when the store was
// recovered: it would be made a second time.
func (l told) notMissing(name string) error {
	if len(l.missing) == 0 {
		return nil
	}
	return &Error{
		Kind: Conflict, Op: "import", Object: "key " + name,
		Cause: fmt.Errorf("%s was there when the store was recovered, and no record says what was done with it", listed(slices.Sorted(maps.Keys(l.missing)))),
		Hint:  "keyferry inventory --orphans shows it; import under another name",
	}
}

// strayObjects are material of ours in the token that no version on record has.
func (b *Broker) strayObjects(ctx context.Context, setup TokenSetup) ([]Orphan, error) {
	var stray []Orphan
	seen := map[MaterialID]bool{}
	for o, err := range setup.Token.Objects(ctx, ObjectQuery{}) {
		if err != nil {
			return nil, fmt.Errorf("list objects of token %s: %w", setup.Name, err)
		}
		id, number, ours := o.ID.Parse()
		if !ours || seen[o.ID] {
			continue
		}
		seen[o.ID] = true
		known, err := b.hasVersion(ctx, id, number)
		if err != nil {
			return nil, err
		}
		if !known {
			o := Orphan{Material: o.ID, Name: strings.TrimSuffix(o.Label, fmt.Sprintf(" v%d", number)), HasMaterial: true}
			stray = append(stray, o.advise(Capabilities{}))
		}
	}
	return stray, nil
}

func (b *Broker) hasVersion(ctx context.Context, keyID string, number int) (bool, error) {
	for view, err := range b.o.Store.Keys(ctx, KeyFilter{ID: keyID}) {
		if err != nil {
			return false, fmt.Errorf("read keys: %w", err)
		}
		_, known := view.Version(number)
		return known, nil
	}
	return false, nil
}
