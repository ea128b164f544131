package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// keeperPatience is how long another process is waited for that makes the keeper key:
// one call to the token, and two writes.
const keeperPatience = time.Minute

// keeperMade is the event that tells that a keeper key is in the token.
const keeperMade = "keeper.made"

// keeperOf is the token's side of retain: wrapped.
func keeperOf(setup TokenSetup) (Keeper, error) {
	k, ok := setup.Token.(Keeper)
	if !ok {
		return nil, &Error{
			Kind: Unsupported, Op: "keep material wrapped", Object: "under a key of token " + setup.Name,
			Cause: errors.New("it has no keeper keys"), Hint: "use retain: token",
		}
	}
	return k, nil
}

// keepable refuses retain: wrapped where the token cannot keep such material, before
// anything is on record.
func keepable(ctx context.Context, setup TokenSetup, spec KeySpec) error {
	keeper, err := keeperOf(setup)
	if err != nil {
		return err
	}
	plans, err := keeper.KeepPlans(ctx)
	if err != nil {
		return fmt.Errorf("probe token %s: %w", setup.Name, err)
	}
	i := slices.IndexFunc(plans, func(p KeepPlan) bool { return p.Spec == spec })
	if i < 0 {
		return keepRefused(spec, "the token was not tried with it")
	}
	return plans[i].fits(setup.Environment)
}

// fits is the decision; pure.
func (p KeepPlan) fits(environment string) error {
	switch {
	case !p.Works:
		return keepRefused(p.Spec, p.Reason)
	case environment == Production && !p.Guarded:
		return keepRefused(p.Spec, "in production: "+p.Reason)
	default:
		return nil
	}
}

func keepRefused(spec KeySpec, why string) error {
	return &Error{
		Kind: Unsupported, Op: "keep material wrapped", Object: "of spec " + string(spec), Cause: errors.New(why),
		Hint: "use retain: token; keyferry doctor shows what the token can keep",
	}
}

// keepersOnRecord are the token's keeper keys, the newest first, held against the audit.
func (b *Broker) keepersOnRecord(ctx context.Context) (serial string, keepers []KeptKeeper, err error) {
	serial = b.enrolledToken().TokenSerial
	all, _, err := b.allKeepers(ctx)
	for _, k := range all {
		if k.TokenSerial == serial {
			keepers = append(keepers, k)
		}
	}
	return serial, keepers, err
}

// enrolledToken is the token's enrolment as trusted; zero before.
func (b *Broker) enrolledToken() Enrolment {
	b.known.mu.Lock()
	defer b.known.mu.Unlock()
	if b.known.token == nil {
		return Enrolment{}
	}
	return *b.known.token
}

// keepers holds all that are on record against the audit: as it tells, and none missing.
func (l told) keepers(all []KeptKeeper) error {
	there := map[string]bool{}
	for _, k := range all {
		there[keeperRow(k)] = true
		if err := l.row(keeperRow(k), k); err != nil {
			return err
		}
	}
	for name := range l.rows {
		if strings.HasPrefix(name, keeperOfRow) && !there[name] {
			return removed(name)
		}
	}
	return nil
}

// currentKeeper is the keeper key that new material is kept under. It is read every
// time, for another process may have replaced it; the first time it is made.
func (b *Broker) currentKeeper(ctx context.Context, setup TokenSetup) (KeeperID, error) {
	_, keepers, err := b.keepersOnRecord(ctx)
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(keepers, KeptKeeper.current); i >= 0 {
		return keepers[i].ID, nil
	}
	b.keeping.Lock() // one goroutine makes it, and the others wait
	defer b.keeping.Unlock()
	release, err := b.takeKeepers(ctx, setup)
	if err != nil {
		return "", err
	}
	defer release()
	k, err := b.makeKeeper(ctx, setup)
	return k.ID, err
}

// takeKeepers makes this run the one that changes the token's keeper keys. Another one
// is waited for.
func (b *Broker) takeKeepers(ctx context.Context, setup TokenSetup) (release func(), err error) {
	err = eventually(ctx, keeperPatience, 50*time.Millisecond, func() (bool, error) {
		_, release, err = b.take(ctx, "keepers", setup.Name)
		return !errors.Is(err, Conflict), err
	})
	return release, err
}

func (k KeptKeeper) current() bool { return k.State == KeeperCurrent }

// inUse: new material is, or will be, kept under it.
func (k KeptKeeper) inUse() bool { return k.State == KeeperCurrent || k.State == KeeperIntended }

// makeKeeper makes the keeper key that is current: on record as intended before it is in
// the token, so that a run that is killed leaves one that is found again. One that is on
// record as made, and gone, is never made anew: what it keeps could not be opened.
func (b *Broker) makeKeeper(ctx context.Context, setup TokenSetup) (KeptKeeper, error) {
	serial, keepers, err := b.keepersOnRecord(ctx)
	if err != nil {
		return KeptKeeper{}, err
	}
	var k KeptKeeper
	if i := slices.IndexFunc(keepers, KeptKeeper.inUse); i >= 0 {
		k = keepers[i]
	}
	switch k.State {
	case KeeperCurrent:
		return k, nil // made meanwhile
	case "":
		k = KeptKeeper{ID: NewKeeperID(), TokenSerial: serial, Environment: setup.Environment, State: KeeperIntended, IntendedAt: b.o.Now()}
		if err := b.writeKeepers(ctx, setup, "keeper.intended", Why{}, k); err != nil {
			return KeptKeeper{}, err
		}
	default: // intended by a run that was killed
	}
	keeper, err := keeperOf(setup)
	if err != nil {
		return KeptKeeper{}, err
	}
	if err := keeper.MakeKeeper(ctx, k.ID); err != nil {
		return KeptKeeper{}, fmt.Errorf("make the keeper key of token %s: %w", setup.Name, err)
	}
	k.State = KeeperCurrent
	return k, b.writeKeepers(ctx, setup, keeperMade, Why{}, k)
}

// writeKeepers puts keeper keys on record; the last one is what the entry is about.
func (b *Broker) writeKeepers(ctx context.Context, setup TokenSetup, event string, why Why, keepers ...KeptKeeper) error {
	k := keepers[len(keepers)-1]
	_, err := b.write(ctx, setup, Change{Keepers: keepers, Entry: Entry{
		At: b.o.Now(), Event: event, Actor: b.o.Actor, Reason: why.Reason, Ticket: why.Ticket,
		Details: map[string]any{"keeper": k.ID, "token": k.TokenSerial, "environment": k.Environment, "state": k.State},
	}})
	return err
}
