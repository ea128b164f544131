package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// KeeperWindow is how long a keeper key stays in the token after the last record has
// left it: older backups of the store are worth nothing without it.
const KeeperWindow = 30 * 24 * time.Hour

// KeeperRotation is what a rotation of the keeper key came to.
type KeeperRotation struct {
	Keeper    KeeperID     `json:"keeper"`    // new material is kept under it
	Rewrapped int          `json:"rewrapped"` // records, now
	Left      []string     `json:"left"`      // keys that others write to: run it again
	Keepers   []KeptKeeper `json:"keepers"`   // all of the token's, the newest first
}

// RotateKeeper makes a new keeper key, and wraps what is kept under the one before it
// anew, inside the token. Killed, it goes on when called again: each record is under one
// of the two, and opens. The earlier one is retired when no record is under it, and stays.
func (b *Broker) RotateKeeper(ctx context.Context, why Why) (KeeperRotation, error) {
	setup, err := b.trustedToken(ctx)
	if err != nil {
		return KeeperRotation{}, err
	}
	release, err := b.takeKeepers(ctx, setup)
	if err != nil {
		return KeeperRotation{}, err
	}
	defer release()
	if err := b.beginRotation(ctx, setup, why); err != nil {
		return KeeperRotation{}, err
	}
	now, err := b.makeKeeper(ctx, setup)
	if err != nil {
		return KeeperRotation{}, err
	}
	out := KeeperRotation{Keeper: now.ID}
	_, keepers, err := b.keepersOnRecord(ctx)
	for _, k := range keepers {
		if err == nil && k.State == KeeperReplaced {
			err = rotation{b: b, setup: setup, from: k, to: now.ID, why: why}.empty(ctx, &out)
		}
	}
	if err != nil {
		return out, err
	}
	_, out.Keepers, err = b.keepersOnRecord(ctx)
	return out, err
}

// PlanRotateKeeper says how many records RotateKeeper would wrap anew, and touches nothing.
func (b *Broker) PlanRotateKeeper(ctx context.Context) (out KeeperRotation, err error) {
	if err := b.trust(ctx, nil); err != nil {
		return out, err
	}
	if _, out.Keepers, err = b.keepersOnRecord(ctx); err != nil {
		return out, err
	}
	if len(out.Keepers) == 0 {
		return out, &Error{Kind: NotFound, Op: "rotate the keeper key", Cause: errors.New("the token has none"), Hint: "the first import with retain: wrapped makes it"}
	}
	for r, err := range b.o.Store.Retained(ctx, RetainedFilter{}) {
		if err != nil {
			return out, fmt.Errorf("read what is kept: %w", err)
		}
		if r.Ended == "" {
			out.Rewrapped++
		}
	}
	return out, nil
}

// beginRotation puts the next keeper key in the place of the current one, on record;
// unless a rotation is on its way.
func (b *Broker) beginRotation(ctx context.Context, setup TokenSetup, why Why) error {
	serial, keepers, err := b.keepersOnRecord(ctx)
	if err != nil || slices.ContainsFunc(keepers, func(k KeptKeeper) bool { return k.State == KeeperReplaced }) {
		return err
	}
	i := slices.IndexFunc(keepers, KeptKeeper.current)
	if i < 0 {
		return &Error{
			Kind: NotFound, Op: "rotate the keeper key of", Object: "token " + setup.Name, Cause: errors.New("it has none"),
			Hint: "the first import with retain: wrapped makes it",
		}
	}
	old := keepers[i]
	old.State = KeeperReplaced
	next := KeptKeeper{ID: NewKeeperID(), TokenSerial: serial, Environment: setup.Environment, State: KeeperIntended, IntendedAt: b.o.Now()}
	return b.writeKeepers(ctx, setup, "keeper.rotation-begun", why, old, next)
}

// rotation takes every record from one keeper key to another.
type rotation struct {
	b     *Broker
	setup TokenSetup
	from  KeptKeeper
	to    KeeperID
	why   Why
}

// empty wraps all anew, and retires the keeper key when nothing is left under it.
func (r rotation) empty(ctx context.Context, out *KeeperRotation) error {
	names, err := r.b.keptUnder(ctx, r.from.ID)
	if err != nil {
		return err
	}
	for _, name := range names {
		n, err := r.key(ctx, name)
		out.Rewrapped += n
		if errors.Is(err, Conflict) {
			out.Left = append(out.Left, name)
			continue
		}
		if err != nil {
			return fmt.Errorf("wrap anew what is kept of key %s: %w", name, err)
		}
	}
	if names, err = r.b.keptUnder(ctx, r.from.ID); err != nil || len(names) > 0 {
		return err
	}
	r.from.State, r.from.RetiredAt = KeeperRetired, r.b.o.Now()
	return r.b.writeKeepers(ctx, r.setup, "keeper.retired", r.why, r.from)
}

// keptUnder are the names of the keys of which something is kept under a keeper key.
func (b *Broker) keptUnder(ctx context.Context, id KeeperID) ([]string, error) {
	ids := map[string]bool{}
	for r, err := range b.o.Store.Retained(ctx, RetainedFilter{Keeper: id}) {
		if err != nil {
			return nil, fmt.Errorf("read what is kept under keeper key %s: %w", id, err)
		}
		ids[r.KeyID] = true
	}
	if len(ids) == 0 {
		return nil, nil
	}
	var names []string
	for view, err := range b.o.Store.Keys(ctx, KeyFilter{}) {
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		if ids[view.Key.ID] {
			names = append(names, view.Key.Name)
		}
	}
	return names, nil
}

// key wraps anew what is kept of one key, as its one writer.
func (r rotation) key(ctx context.Context, name string) (n int, err error) {
	lease, release, err := r.b.takeLease(ctx, name)
	if err != nil {
		return 0, err
	}
	defer release()
	view, err := r.b.o.Store.Key(ctx, name)
	if err == nil {
		err = r.b.witnessKey(ctx, view)
	}
	if err != nil {
		return 0, err
	}
	for _, v := range view.Versions {
		if v.Retain != RetainWrapped || v.Material.ID == "" {
			continue
		}
		kept, err := r.b.retained(ctx, r.setup, view.Key, v)
		if err == nil && kept.Keeper != r.from.ID {
			continue
		}
		if err == nil {
			err = r.record(ctx, view.Key, kept, lease)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// record opens one record and wraps what comes out under the other keeper key.
func (r rotation) record(ctx context.Context, k Key, kept Retained, lease Lease) (err error) {
	keeper, err := keeperOf(r.setup)
	if err != nil {
		return err
	}
	m, err := keeper.Open(ctx, kept.openIn())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, keeper.Release(context.WithoutCancel(ctx), kept.Material)) }()
	if kept.Wrapped, err = keeper.Keep(ctx, m, r.to); err != nil {
		return err
	}
	kept.Keeper = r.to
	if kept, err = r.b.sealed(ctx, r.setup, kept); err != nil {
		return err
	}
	_, err = r.b.write(ctx, r.setup, Change{Retained: &kept, Lease: &lease, Entry: Entry{
		At: r.b.o.Now(), Event: "material.rewrapped", Key: k.Name, Number: kept.Number, Actor: r.b.o.Actor, Reason: r.why.Reason, Ticket: r.why.Ticket,
		Details: map[string]any{"material": kept.Material, "from": r.from.ID, "to": r.to},
	}})
	return err
}

// DestroyKeeper destroys a keeper key that was retired long enough ago. A reason is
// required: what older backups of the store keep under it is lost with it.
func (b *Broker) DestroyKeeper(ctx context.Context, id KeeperID, why Why) (KeptKeeper, error) {
	if why.Reason == "" {
		return KeptKeeper{}, misuse("destroy keeper key "+string(id), "a reason is required: --reason …")
	}
	setup, err := b.trustedToken(ctx)
	if err != nil {
		return KeptKeeper{}, err
	}
	release, err := b.takeKeepers(ctx, setup)
	if err != nil {
		return KeptKeeper{}, err
	}
	defer release()
	k, err := b.destroyable(ctx, id)
	if err != nil {
		return KeptKeeper{}, err
	}
	keeper, err := keeperOf(setup)
	if err != nil {
		return KeptKeeper{}, err
	}
	if k.State != KeeperDestroyed {
		k.State, k.EndedAt = KeeperDestroyed, b.o.Now()
		if err := b.writeKeepers(ctx, setup, "keeper.destruction-intended", why, k); err != nil {
			return KeptKeeper{}, err
		}
	}
	if err := keeper.DestroyKeeper(ctx, id); err != nil {
		return KeptKeeper{}, err
	}
	return k, b.writeKeepers(ctx, setup, "keeper.destroyed", why, k)
}

// PlanDestroyKeeper is the keeper key that DestroyKeeper would destroy, or why it would
// not. It touches nothing.
func (b *Broker) PlanDestroyKeeper(ctx context.Context, id KeeperID) (KeptKeeper, error) {
	if err := b.trust(ctx, nil); err != nil {
		return KeptKeeper{}, err
	}
	return b.destroyable(ctx, id)
}

func (b *Broker) destroyable(ctx context.Context, id KeeperID) (KeptKeeper, error) {
	_, keepers, err := b.keepersOnRecord(ctx)
	if err != nil {
		return KeptKeeper{}, err
	}
	i := slices.IndexFunc(keepers, func(k KeptKeeper) bool { return k.ID == id })
	if i < 0 {
		return KeptKeeper{}, &Error{Kind: NotFound, Op: "destroy", Object: "keeper key " + string(id), Cause: errors.New("it is not on record"), Hint: "keyferry token show lists them"}
	}
	names, err := b.keptUnder(ctx, id)
	if err != nil {
		return KeptKeeper{}, err
	}
	return keepers[i], keepers[i].destroyable(len(names), b.o.Now())
}

// destroyable is the decision; pure.
func (k KeptKeeper) destroyable(keys int, now time.Time) error {
	refuse := func(why error, hint string) error {
		return &Error{Kind: Conflict, Op: "destroy", Object: "keeper key " + string(k.ID), Cause: why, Hint: hint}
	}
	free := k.RetiredAt.Add(KeeperWindow)
	switch {
	case keys > 0:
		return refuse(fmt.Errorf("material of %d keys is kept under it", keys), "keyferry token rotate-keeper wraps it under another")
	case k.State == KeeperDestroyed:
		return nil // again: a run that was killed may have left it
	case k.State != KeeperRetired:
		return refuse(fmt.Errorf("it is %s", k.State), "keyferry token rotate-keeper replaces it")
	case now.Before(free):
		return refuse(fmt.Errorf("it was retired at %s, and backups of the store from before need it", stamp(k.RetiredAt)), "it can be destroyed from "+stamp(free)+" on")
	default:
		return nil
	}
}
