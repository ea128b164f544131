package broker

import (
	"context"
	"errors"
	"fmt"
)

// The events of a removal, before and after.
const (
	removalIntended = "orphan.removal-intended"
	orphanRemoved   = "orphan.removed"
)

// OrphanRequest names one thing that Orphans or StrayObjects lists.
type OrphanRequest struct {
	Target  string // "" it is an object in the token
	Ref     string // of the key, or the id of the object
	Version string // of the key; "" the whole key
	Unused  bool   // a person made sure that nobody uses it, which its mark does not tell
	Why
}

// OrphanRemoval is what became of it.
type OrphanRemoval struct {
	Orphan  Orphan `json:"orphan"`
	Already bool   `json:"already"` // an earlier run did it
	// Asked are the targets that were looked through for what may need an object of the token.
	Asked []string `json:"asked,omitempty"`
}

func (b *Broker) removal(o Orphan, already bool) OrphanRemoval {
	r := OrphanRemoval{Orphan: o, Already: already}
	if o.Target == "" && !already {
		r.Asked = targetNames(b.o.Targets)
	}
	return r
}

// PlanRemoveOrphan says what RemoveOrphan would remove, and changes nothing.
func (b *Broker) PlanRemoveOrphan(ctx context.Context, req OrphanRequest) (OrphanRemoval, error) {
	o, gone, err := b.findOrphan(ctx, req)
	if err != nil {
		return OrphanRemoval{}, err
	}
	return b.removal(o, gone), nil
}

// RemoveOrphan cleans one orphan up: a key or a version is scheduled for deletion after
// the target's waiting period, a wrapping key is disabled, an object in the token is
// destroyed. It looks again first, and refuses what is on record, what carries no mark
// of ours or was not imported, what is enabled unless Unused says that nobody uses it,
// a wrapping key while an operation at its target runs, and the token's object as long as
// anything at any target may need it: no more is ever removed than was named. A reason is
// required. Killed at any point and run again, it ends the same.
func (b *Broker) RemoveOrphan(ctx context.Context, req OrphanRequest) (OrphanRemoval, error) {
	if req.Reason == "" {
		return OrphanRemoval{}, misuse("remove orphan "+req.Ref, "a reason is required: --reason …")
	}
	found, _, err := b.findOrphan(ctx, req)
	if err != nil {
		return OrphanRemoval{}, err
	}
	thing, name := found.lease()
	_, release, err := b.take(ctx, thing, name)
	if err != nil {
		return OrphanRemoval{}, err
	}
	defer release()
	o, gone, err := b.findOrphan(ctx, req) // nobody begins anything with it now
	if err != nil {
		return OrphanRemoval{}, err
	}
	begun, done, err := b.removalOf(ctx, o)
	if err != nil || gone && (done || !begun) {
		return OrphanRemoval{Orphan: o, Already: true}, err
	}
	if !gone {
		if err := b.removeIt(ctx, req, &o); err != nil {
			return OrphanRemoval{}, fmt.Errorf("remove orphan %s: %w", o.ref(), err)
		}
	}
	err = b.tellRemoval(ctx, req.Why, orphanRemoved, o)
	return b.removal(o, gone && begun), err
}

// lease of its key, where it says which that is.
func (o Orphan) lease() (thing, name string) {
	if o.Name != "" {
		return "key", o.Name
	}
	return "orphan", o.Target + "/" + o.ref()
}

// removeIt intends it, does it, and is what is seen then.
func (b *Broker) removeIt(ctx context.Context, req OrphanRequest, o *Orphan) error {
	if err := b.tellRemoval(ctx, req.Why, removalIntended, *o); err != nil {
		return err
	}
	if o.Target == "" {
		setup, err := b.token()
		if err != nil {
			return err
		}
		o.State = RemoteDestroyed
		return setup.Token.Change(ctx, Material{ID: o.Material}, Destroy)
	}
	t, err := b.target(o.Target)
	if err != nil {
		return err
	}
	e := Effect{Operation: newOperationID(b.o.Now()), Target: t.Name, Step: StepAbandon}
	var seen Observation
	switch v := (VersionRef{Key: o.Key, ID: o.Version}); {
	case v.ID == "":
		seen, err = scheduleDeletion(ctx, t, e, v, deletion{t.windowOf(Placement{}, 0), eventually})
	case o.WrappingKey != "":
		seen, err = turnOff(ctx, t, e, v, Disable)
	default: // its waiting period is the key's own
		seen, err = turnOff(ctx, t, e, v, Schedule)
	}
	o.State, o.Observation = seen.State, seen
	return err
}

// turnOff schedules or disables one version, and is how that is seen afterwards.
func turnOff(ctx context.Context, t Target, e Effect, v VersionRef, kind ActionKind) (seen Observation, err error) {
	off := func(s RemoteState) bool { return ended(s) || kind == Disable && s == RemoteDisabled }
	err = again(ctx, func() error {
		_, err := t.Provider.Do(ctx, e, v, Action{Kind: kind})
		return err
	})
	if err != nil && !errors.Is(err, Unclear) && !errors.Is(err, Conflict) {
		return seen, err
	}
	caps := t.Provider.Capabilities()
	err = eventually(ctx, caps.Settle, caps.Poll, func() (bool, error) {
		found, err := look(ctx, t, Query{Version: &v})
		if err != nil {
			return true, err
		}
		seen = Observation{Version: v, State: RemoteDestroyed} // where it is still not there when the target has settled
		if len(found) > 0 {
			seen = found[0]
		}
		return len(found) > 0 && off(seen.State), nil
	})
	if err == nil && !off(seen.State) {
		err = &Error{Kind: Unavailable, Op: string(kind), Object: v.Key.ID + " " + v.ID, Cause: fmt.Errorf("it was asked for, and the version is %s", seen.State), Hint: "run the same command again"}
	}
	return seen, err
}

// ended reports whether what is in a state is gone, or on its way.
func ended(s RemoteState) bool {
	return s == RemoteScheduled || s == RemoteDestroyed || s == RemoteFailed
}

func (b *Broker) tellRemoval(ctx context.Context, why Why, event string, o Orphan) error {
	setup, err := b.token()
	if err != nil {
		return err
	}
	_, err = b.write(ctx, setup, Change{Entry: Entry{
		At: b.o.Now(), Event: event, Key: o.Name, Target: o.Target, Actor: b.o.Actor, Reason: why.Reason, Ticket: why.Ticket,
		Principal: b.principal(o.Target),
		Details: map[string]any{
			"ref": o.ref(), "effect": o.Effect, "state": o.State, "has_material": o.HasMaterial, "deletion_at": end(o.Observation.DeletionAt),
		},
	}})
	return err
}

// removalOf an orphan, as far as the audit tells of one.
func (b *Broker) removalOf(ctx context.Context, o Orphan) (begun, done bool, err error) {
	err = b.sealedEntries(ctx, func(e Entry) {
		if e.Target == o.Target && e.Details["ref"] == o.ref() {
			begun = begun || e.Event == removalIntended
			done = e.Event == orphanRemoved || done && e.Event != removalIntended
		}
	})
	return begun, done, err
}

// sealedEntries yields every entry of the audit up to its end, once that is held against
// the token's seal and they lead to it; an orphan without a name has no index of its own.
func (b *Broker) sealedEntries(ctx context.Context, yield func(Entry)) error {
	if _, err := b.told(ctx, ""); err != nil {
		return err
	}
	end, _ := b.end.get()
	var last Head
	for e, err := range b.o.Store.Entries(ctx, 0) {
		if err != nil {
			return fmt.Errorf("read the audit: %w", err)
		}
		if last.Seq == end.Seq {
			break // what is newer is not held against anything yet
		}
		if fault := chainFault(e, last); fault != "" {
			return auditFault(fault)
		}
		last = e.Head()
		yield(e)
	}
	if last.Seq != end.Seq || last.Hash != end.Hash {
		return auditFault(fmt.Sprintf("its entries do not lead to entry %d, which was sealed", end.Seq))
	}
	return nil
}
