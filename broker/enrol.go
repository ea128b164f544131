package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Production is the environment that only genuine endpoints may belong to.
const Production = "production"

// EnrolToken gives the token its seal key and puts it under seal. Enrolling again
// after a change of config is allowed to whoever holds the token. A store that is
// older than what the token remembers is Tampered, another one than it remembers a
// Conflict: EnrolRestored takes both.
func (b *Broker) EnrolToken(ctx context.Context, why Why) (Enrolment, error) {
	return b.enrolToken(ctx, why, false)
}

// EnrolRestored goes on with a store that was restored from an older backup, or with
// another one than the token served, by a person's decision and for a reason: what was
// done since is not on record. It enrols the token, and then does what RecoverStore does:
// only after it has looked does the token remember this store.
func (b *Broker) EnrolRestored(ctx context.Context, why Why) (Enrolment, Recovered, error) {
	if why.Reason == "" {
		return Enrolment{}, Recovered{}, misuse("enrol the token with a restored store", "a reason is required: --reason …")
	}
	e, err := b.enrolToken(ctx, why, true)
	if err != nil {
		return e, Recovered{}, err
	}
	out, err := b.recoverStore(ctx, why, errOlderStore, errOtherStore)
	return e, out, err
}

func (b *Broker) enrolToken(ctx context.Context, why Why, restored bool) (Enrolment, error) {
	setup, err := b.token()
	if err != nil {
		return Enrolment{}, err
	}
	if setup.Environment == "" {
		return Enrolment{}, misuse("enrol token "+setup.Name, "no environment is named")
	}
	if err := b.makeSealKey(ctx, setup); err != nil {
		return Enrolment{}, err
	}
	before, err := b.remembered(ctx, setup)
	if err != nil {
		return Enrolment{}, err
	}
	if err := b.mayServe(ctx, restored); err != nil {
		return Enrolment{}, err
	}
	info, err := setup.Token.Info(ctx)
	if err != nil {
		return Enrolment{}, fmt.Errorf("describe token %s: %w", setup.Name, err)
	}
	e := Enrolment{
		Kind: EnrolToken, Name: setup.Name, Environment: setup.Environment, TokenSerial: info.Serial,
		Pins: maps.Clone(setup.Pins), At: b.o.Now(),
	}
	e, head, err := b.enrol(ctx, setup, e, why, map[string]any{"token": info, "restored": restored, "token_remembered": before.Head.Seq, "token_remembered_store": before.Store})
	if err == nil && !restored {
		b.remember(ctx, setup, head)
	}
	return e, err
}

// MayEnrolToken is nil where EnrolToken, or EnrolRestored, would not refuse this store.
// Nothing is changed.
func (b *Broker) MayEnrolToken(ctx context.Context, restored bool) error {
	return b.mayServe(ctx, restored)
}

// mayServe: a token that remembers another store, or more of this one than is in it,
// serves it by a person's decision alone. Else the store that it served would be refused
// from then on, and nobody had been told.
func (b *Broker) mayServe(ctx context.Context, restored bool) error {
	if !restored {
		return b.trustAudit(ctx)
	}
	setup, err := b.token()
	if err != nil {
		return err
	}
	_, _, err = b.accept(ctx, setup, errOlderStore, errOtherStore)
	return err
}

// makeSealKey makes the seal key of a token that has none yet. One that had one
// does not get another: nothing that it sealed could be checked any more.
func (b *Broker) makeSealKey(ctx context.Context, setup TokenSetup) error {
	sealer, ok := setup.Token.(Sealer)
	if !ok {
		return fmt.Errorf("enrol token %s: it has no seal key: %w", setup.Name, Unsupported)
	}
	info, err := setup.Token.Info(ctx)
	if err != nil {
		return fmt.Errorf("describe token %s: %w", setup.Name, err)
	}
	enrolled, err := b.o.Store.Enrolments(ctx)
	if err != nil {
		return fmt.Errorf("read enrolments: %w", err)
	}
	had := slices.ContainsFunc(enrolled, func(e Enrolment) bool { return e.Kind == EnrolToken && e.TokenSerial == info.Serial })
	if had && info.Environment == "" {
		return &Error{
			Kind: Conflict, Op: "enrol token", Object: setup.Name, Cause: errors.New("the seal key with which this store was sealed is gone from the token"),
			Hint: "restore the token from its backup; a new seal key could vouch for nothing in this store",
		}
	}
	if err := sealer.MakeSealKey(ctx, setup.Environment); err != nil {
		return fmt.Errorf("enrol token %s: %w", setup.Name, err)
	}
	return nil
}

// EnrolTarget pins what a target is: asked at the provider, held against the
// config, and put under seal. At an endpoint that is not genuinely the provider's
// it also tries whether other material is refused as existing.
func (b *Broker) EnrolTarget(ctx context.Context, name string, why Why) (Enrolment, error) {
	t, err := b.target(name)
	if err != nil {
		return Enrolment{}, err
	}
	setup, err := b.trustedToken(ctx)
	if err != nil {
		return Enrolment{}, err
	}
	if err := sameEnvironment(setup, t); err != nil {
		return Enrolment{}, err
	}
	if err := b.reidentify(ctx, t); err != nil {
		return Enrolment{}, err
	}
	prover, err := b.identifyProof(ctx, t)
	if err != nil {
		return Enrolment{}, err
	}
	findings, err := b.control(ctx, setup, t)
	if err != nil {
		return Enrolment{}, fmt.Errorf("try out target %s: %w", t.Name, err)
	}
	info, err := setup.Token.Info(ctx)
	if err != nil {
		return Enrolment{}, fmt.Errorf("describe token %s: %w", setup.Name, err)
	}
	e := Enrolment{
		Kind: EnrolTarget, Name: t.Name, Environment: t.Environment, TokenSerial: info.Serial,
		Pins: maps.Clone(t.Pins), Findings: findings, At: b.o.Now(),
	}
	details := map[string]any{"principal": b.principal(t.Name)}
	if prover.Principal != "" {
		details = with(details, "proof_principal", prover.Principal)
	}
	e, head, err := b.enrol(ctx, setup, e, why, details)
	if err == nil {
		b.remember(ctx, setup, head)
	}
	return e, err
}

// trustedToken is the token, its enrolment held against its seal.
func (b *Broker) trustedToken(ctx context.Context) (TokenSetup, error) {
	if err := b.trust(ctx, nil); err != nil {
		return TokenSetup{}, err
	}
	return b.token()
}

func (b *Broker) reidentify(ctx context.Context, t Target) error {
	b.known.mu.Lock()
	delete(b.known.identities, t.Name)
	delete(b.known.targets, t.Name)
	b.known.mu.Unlock()
	return b.identify(ctx, t)
}

func (b *Broker) enrol(ctx context.Context, setup TokenSetup, e Enrolment, why Why, details map[string]any) (Enrolment, Head, error) {
	var err error
	if e.Seal, err = seal(ctx, setup, e.Record()); err != nil {
		return Enrolment{}, Head{}, fmt.Errorf("enrol %s %s: %w", e.Kind, e.Name, err)
	}
	details = with(with(details, "pins", e.Pins), "findings", e.Findings)
	head, err := b.write(ctx, setup, Change{
		Enrolment: &e,
		Entry: Entry{
			At: e.At, Event: string(e.Kind) + ".enrolled", Operation: newOperationID(e.At), Target: targetOf(e),
			Actor: b.o.Actor, Reason: why.Reason, Ticket: why.Ticket, Details: with(details, "name", e.Name),
		},
	})
	if err != nil {
		return Enrolment{}, Head{}, fmt.Errorf("record enrolment of %s %s: %w", e.Kind, e.Name, err)
	}
	return e, head, nil
}

func targetOf(e Enrolment) string {
	if e.Kind == EnrolTarget {
		return e.Name
	}
	return ""
}

// CheckEnrolments holds the token and every configured target against their
// seals and, at the provider, against the enrolled account.
func (b *Broker) CheckEnrolments(ctx context.Context) error {
	var faults []error
	if err := b.trust(ctx, nil); err != nil {
		return err
	}
	for _, t := range b.o.Targets {
		err := t.fault()
		if err == nil {
			err = b.trust(ctx, []Target{t})
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}
