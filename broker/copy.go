package broker

import (
	"context"
	"errors"
	"fmt"
)

// generateKept makes material that is kept wrapped: born in the token as a session
// object, wrapped there, and on record in one transaction with the version. Nothing of
// it can have been sent before that, so a run that is killed earlier leaves nothing.
func (l *line) generateKept(ctx context.Context, in GenerateIn) error {
	for _, p := range l.places {
		if _, sent := l.effects[l.effect(p, StepImport).ID()]; sent {
			return l.noRecord(fmt.Errorf("its import at target %s was begun, and %w", p.target.Name, errNoRecord))
		}
	}
	keeper, err := keeperOf(l.setup)
	if err != nil {
		return err
	}
	under, err := l.b.currentKeeper(ctx, l.setup)
	if err != nil {
		return err
	}
	in.Usage.Session, in.MayExist = true, false // what another process had open died with it
	m, err := l.setup.Token.Generate(ctx, in)
	if err != nil {
		return fmt.Errorf("generate material %s: %w", in.ID, err)
	}
	wrapped, err := keeper.Keep(ctx, m, under)
	if err != nil {
		return fmt.Errorf("wrap material %s to keep it: %w", in.ID, err)
	}
	in.Usage.Session = false // as it would be in the token
	r, err := l.record(ctx, in, m, under, wrapped)
	if err != nil {
		return err
	}
	l.kept = &r
	return l.born(ctx, materialGenerated, in, m)
}

func (l *line) noRecord(why error) error {
	return &Error{
		Kind: Undecided, Op: "use", Object: fmt.Sprintf("material of key %s version %d", l.key.Name, l.version.Number), Cause: why,
		Hint: "restore the store from its backup; the material exists nowhere else",
		Seen: []Sighting{{Ref: string(l.version.MaterialID()), Why: why.Error()}},
	}
}

// record is the sealed record of material that was wrapped.
func (l *line) record(ctx context.Context, in GenerateIn, m Material, under KeeperID, wrapped []byte) (Retained, error) {
	return l.b.sealed(ctx, l.setup, Retained{
		KeyID: l.key.ID, Number: l.version.Number, Material: m.ID, Label: in.Label, Spec: m.Spec, Purpose: l.key.Purpose, Usage: in.Usage,
		Environment: l.key.Environment, TokenSerial: m.TokenSerial, Attributes: m.Attributes, PublicKey: m.PublicKey, KCV: m.KCV,
		Keeper: under, Wrapped: wrapped,
	})
}

// sealed is the record with time, store and seal.
func (b *Broker) sealed(ctx context.Context, setup TokenSetup, r Retained) (Retained, error) {
	var err error
	if r.Store, err = b.genesis(ctx); err != nil {
		return r, err
	}
	r.At = b.o.Now()
	mac, err := seal(ctx, setup, r.Record())
	r.Seal = mac
	return r, err
}

// copy makes sure that the token has the version's material in a form that it can use:
// what is kept wrapped is opened, after its record was checked.
func (l *line) copy(ctx context.Context) error {
	if l.version.Retain != RetainWrapped {
		return nil
	}
	if l.kept == nil {
		r, err := l.b.retained(ctx, l.setup, l.key, l.version)
		if errors.Is(err, errNoRecord) {
			return l.noRecord(err)
		}
		if err != nil {
			return err
		}
		l.kept = &r
	}
	keeper, err := keeperOf(l.setup)
	if err != nil {
		return err
	}
	if _, err := keeper.Open(ctx, l.kept.openIn()); err != nil {
		return fmt.Errorf("open what is kept of %s: %w", l.version.Material, err)
	}
	return nil
}

// retained is the record of a version's wrapped material, as this store has sealed it
// for this version last. Every opening starts here.
func (b *Broker) retained(ctx context.Context, setup TokenSetup, k Key, v KeyVersion) (Retained, error) {
	for r, err := range b.o.Store.Retained(ctx, RetainedFilter{KeyID: k.ID}) {
		if err != nil {
			return Retained{}, fmt.Errorf("read what is kept of key %s: %w", k.Name, err)
		}
		if r.Number == v.Number {
			return r, b.trustRetained(ctx, setup, r, k, v)
		}
	}
	return Retained{}, errNoRecord
}

// trustRetained holds a record against its seal, against the version it is to be of,
// and against the audit: an older record of the version has a seal that matches, too.
func (b *Broker) trustRetained(ctx context.Context, setup TokenSetup, r Retained, k Key, v KeyVersion) error {
	mac, err := seal(ctx, setup, r.Record())
	if err != nil {
		return fmt.Errorf("check %s: %w", r.name(), err)
	}
	if err := r.Sealed(mac); err != nil {
		return err
	}
	genesis, err := b.genesis(ctx)
	if err == nil {
		err = r.of(genesis, k, v, setup)
	}
	if err != nil {
		return err
	}
	return b.witness(ctx, KeySubject(k.Name), func(t told) error { return t.row(r.name(), r) })
}

// closeCopy ends what the line has open in the token, and lets the token forget material
// whose operation has ended: not that of one which only waits, for its proof may be to come.
// That it cannot be ended is told, and no reason to fail: it ends with the login.
func (l *line) closeCopy(ctx context.Context) {
	keeper, ok := l.setup.Token.(Keeper)
	if waits := l.version.Retain != RetainWrapped && l.op.State == Running; !ok || waits {
		return
	}
	if err := keeper.Release(context.WithoutCancel(ctx), l.version.MaterialID()); err != nil {
		l.b.o.Log.WarnContext(ctx, "opened material is not closed; it goes with the login", "material", l.version.MaterialID(), "error", err)
	}
}
