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
}

// RecoverStore reconciles a store that is older than what the token remembers: a backup
// that was restored, or a copy of a machine. Everything at the targets and in the token
// that carries our mark and that the store does not know of goes on record as missing,
// so that no key of that name is begun again and nothing is made twice; nothing of it
// is taken over, since no record says what was decided about it. Then the token
// remembers this store as it is, and it can be written again. Every target must answer.
// Killed at any point and run again, it ends the same. A reason is required.
func (b *Broker) RecoverStore(ctx context.Context, why Why) (Recovered, error) {
	if why.Reason == "" {
		return Recovered{}, misuse("recover the store", "a reason is required: --reason …")
	}
	out, err := b.PlanRecover(ctx)
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
		Details: map[string]any{"older": out.Older, "token_remembered": out.Remembered, "missing": len(out.Missing)},
	}
	if _, err := b.write(ctx, setup, Change{Entry: entry}); err != nil {
		return out, err
	}
	return out, b.rememberThis(ctx, setup)
}

// PlanRecover says what RecoverStore would put on record, and changes nothing.
func (b *Broker) PlanRecover(ctx context.Context) (Recovered, error) {
	setup, err := b.token()
	if err != nil {
		return Recovered{}, err
	}
	kept, err := remembered(ctx, setup)
	if err != nil {
		return Recovered{}, err
	}
	out := Recovered{Remembered: kept.Head.Seq, Missing: []Orphan{}}
	if out.Older, out.Head, err = b.acceptOlder(ctx); err != nil {
		return out, err
	}
	for _, name := range targetNames(b.o.Targets) {
		found, err := b.Orphans(ctx, []string{name})
		if err != nil {
			return out, fmt.Errorf("look at target %s: %w", name, err)
		}
		out.Missing = append(out.Missing, found...)
	}
	objects, err := b.strayObjects(ctx, setup)
	out.Missing = append(out.Missing, objects...)
	return out, err
}

// acceptOlder lets this Broker, and no other, look and write although the store is older
// than what the token remembers. Its end must hold all the same.
func (b *Broker) acceptOlder(ctx context.Context) (older bool, head int64, err error) {
	err = b.trustAudit(ctx)
	older = errors.Is(err, errOlderStore)
	if err != nil && !older {
		return false, 0, err
	}
	end, err := b.o.Store.Told(ctx, "")
	if err != nil {
		return older, 0, fmt.Errorf("read the audit: %w", err)
	}
	b.end.reach(end.Entry.Head(), true)
	return older, end.Entry.Seq, nil
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
