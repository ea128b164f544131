package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// trusted remembers, for the life of a Broker, what was already held against the
// token's seals, and who the broker is at each target.
type trusted struct {
	mu         sync.Mutex
	token      *Enrolment
	targets    map[string]Enrolment
	identities map[string]Identity
	audit      auditLog
}

// enrolled is a target's enrolment as trusted; zero before.
func (b *Broker) enrolled(target string) Enrolment {
	b.known.mu.Lock()
	defer b.known.mu.Unlock()
	return b.known.targets[target]
}

// trust holds token, audit and the named targets against what the token sealed,
// before anything is sent anywhere. It then asks each target who the broker is
// there, once. Its errors name the record that does not match.
func (b *Broker) trust(ctx context.Context, targets []Target) error {
	if err := b.trustRecords(ctx, targets); err != nil {
		return err
	}
	b.known.mu.Lock()
	defer b.known.mu.Unlock()
	for _, t := range targets {
		if err := b.identify(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// trustRecords is what of it is asked of the token and the store alone.
func (b *Broker) trustRecords(ctx context.Context, targets []Target) error {
	b.known.mu.Lock()
	defer b.known.mu.Unlock()
	enrolled, err := b.o.Store.Enrolments(ctx)
	if err != nil {
		return fmt.Errorf("read enrolments: %w", err)
	}
	if err := b.trustToken(ctx, enrolled); err != nil {
		return err
	}
	for _, t := range targets {
		if err := b.trustTarget(ctx, enrolled, t); err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) trustToken(ctx context.Context, enrolled []Enrolment) error {
	setup, err := b.token()
	if err != nil {
		return err
	}
	if b.known.token != nil {
		return b.trustAudit(ctx, setup)
	}
	e, err := find(enrolled, EnrolToken, setup.Name)
	if err != nil {
		return err
	}
	for _, check := range []func() error{
		func() error { return b.checkSeal(ctx, setup, e) },
		func() error { return e.Matches(setup.Environment, setup.Pins) },
		func() error { return b.sameToken(ctx, setup, e) },
		func() error { return b.trustAudit(ctx, setup) },
		func() error { return b.known.audit.row(enrolmentRow(e), e) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	b.known.token = &e
	return nil
}

// sameToken holds what the token says of itself against its enrolment.
func (b *Broker) sameToken(ctx context.Context, setup TokenSetup, e Enrolment) error {
	info, err := setup.Token.Info(ctx)
	if err != nil {
		return fmt.Errorf("describe token %s: %w", setup.Name, err)
	}
	switch {
	case info.Serial != e.TokenSerial:
		return e.differs("serial", e.TokenSerial, info.Serial)
	case info.Environment != e.Environment:
		return e.differs("environment of the seal key", e.Environment, info.Environment)
	default:
		return nil
	}
}

func (b *Broker) trustTarget(ctx context.Context, enrolled []Enrolment, t Target) error {
	if _, ok := b.known.targets[t.Name]; ok {
		return nil
	}
	setup, err := b.token()
	if err != nil {
		return err
	}
	e, err := find(enrolled, EnrolTarget, t.Name)
	if err != nil {
		return err
	}
	if err := b.checkSeal(ctx, setup, e); err != nil {
		return err
	}
	if err := e.Matches(t.Environment, t.Pins); err != nil {
		return err
	}
	if err := sameEnvironment(setup, t); err != nil {
		return err
	}
	if err := b.known.audit.row(enrolmentRow(e), e); err != nil {
		return err
	}
	b.known.targets[t.Name] = e
	return nil
}

// sameEnvironment: material of one environment is never wrapped for a target of
// another.
func sameEnvironment(setup TokenSetup, t Target) error {
	if t.Environment == Production && !t.Genuine {
		return &Error{
			Kind: Denied, Op: "use target", Object: t.Name,
			Cause: errors.New("its endpoint is not genuinely the provider's, and is never production"),
			Hint:  "an emulator, or an endpoint of your own, belongs to another environment",
		}
	}
	if setup.Environment != "" && setup.Environment == t.Environment {
		return nil
	}
	return &Error{
		Kind: Denied, Op: "use target", Object: t.Name,
		Cause: fmt.Errorf("it belongs to environment %q, the token %s to %q", t.Environment, setup.Name, setup.Environment),
		Hint:  "material never crosses environments: use a token partition of the target's own",
	}
}

// identify asks a target who the broker is there, and holds the account against
// the enrolment.
func (b *Broker) identify(ctx context.Context, t Target) error {
	if _, ok := b.known.identities[t.Name]; ok {
		return nil
	}
	who, ok := t.Provider.(Identifier)
	if !ok {
		return nil
	}
	var id Identity
	err := again(ctx, func() (err error) { id, err = who.Identify(ctx); return err })
	if err != nil {
		return fmt.Errorf("identify at target %s: %w", t.Name, err)
	}
	if want := t.Pins[PinAccount]; want != id.Account {
		return &Error{
			Kind: Tampered, Op: "identify at target", Object: t.Name,
			Cause: fmt.Errorf("the credentials belong to account %s, %s was enrolled", id.Account, want),
			Hint:  "use credentials of the enrolled account",
		}
	}
	b.known.identities[t.Name] = id
	return nil
}

// PinAccount is the pin that an Identity's account is held against.
const PinAccount = "account"

func find(enrolled []Enrolment, kind EnrolmentKind, name string) (Enrolment, error) {
	for _, e := range enrolled {
		if e.Kind == kind && e.Name == name {
			return e, nil
		}
	}
	object, command := string(kind)+" "+name, "keyferry target enrol "+name
	if kind == EnrolToken {
		command = "keyferry token enrol --environment …"
	}
	return Enrolment{}, &Error{
		Kind: NotFound, Op: "find enrolment of", Object: object,
		Cause: errors.New("it was not enrolled"), Hint: "enrol it first: " + command,
	}
}

func (b *Broker) checkSeal(ctx context.Context, setup TokenSetup, e Enrolment) error {
	mac, err := seal(ctx, setup, e.Record())
	if err != nil {
		return fmt.Errorf("check enrolment of %s %s: %w", e.Kind, e.Name, err)
	}
	return e.Sealed(mac)
}

// seal authenticates a record with the token's seal key.
func seal(ctx context.Context, setup TokenSetup, record []byte) ([]byte, error) {
	s, ok := setup.Token.(Sealer)
	if !ok {
		return nil, fmt.Errorf("seal a record: token %s has no seal key: %w", setup.Name, Unsupported)
	}
	mac, err := s.Seal(ctx, record)
	if err != nil {
		return nil, fmt.Errorf("seal a record: %w", err)
	}
	return mac, nil
}

// anchorName is the one record the broker keeps on a token.
const anchorName = "audit head"

// anchored is what the token remembers of the store.
type anchored struct {
	Store string `json:"store"` // hash of the first audit entry: which store
	Head  Head   `json:"head"`
}

// trustAudit reads the audit to its end and holds it against its newest sealed
// head and, the first time, against the head that the token itself remembers: a
// store that was rolled back is older. known is locked.
func (b *Broker) trustAudit(ctx context.Context, setup TokenSetup) error {
	log := &b.known.audit
	checked := log.sealed.Seq
	if err := log.read(ctx, b.o.Store); err != nil {
		return err
	}
	if len(log.Faults) > 0 {
		return &Error{
			Kind: Tampered, Op: "check the audit", Cause: errors.New(log.Faults[0]),
			Hint: "keyferry audit verify lists everything; restore a backup, and find out who changed it",
		}
	}
	if log.sealed.Seq == checked {
		return nil
	}
	if err := b.checkHead(ctx, setup, log.sealed); err != nil {
		return err
	}
	if checked > 0 {
		return nil
	}
	return b.checkAnchor(ctx, setup, log)
}

// witness holds rows that were read from the store against an audit that is as new
// as they are.
func (b *Broker) witness(ctx context.Context, rows func(*auditLog) error) error {
	setup, err := b.token()
	if err != nil {
		return err
	}
	b.known.mu.Lock()
	defer b.known.mu.Unlock()
	if err := b.trustAudit(ctx, setup); err != nil {
		return err
	}
	return rows(&b.known.audit)
}

func (b *Broker) checkHead(ctx context.Context, setup TokenSetup, h Head) error {
	mac, err := seal(ctx, setup, h.Record())
	if err != nil {
		return fmt.Errorf("check audit head %d: %w", h.Seq, err)
	}
	if !equalSeal(mac, h.Seal) {
		return &Error{
			Kind: Tampered, Op: "check the audit", Object: fmt.Sprintf("head %d", h.Seq),
			Cause: errors.New("its seal does not match"),
			Hint:  "keyferry audit verify lists everything; restore a backup, and find out who changed it",
		}
	}
	return nil
}

// Its error is Tampered for an older store, Conflict for another one.
func (b *Broker) checkAnchor(ctx context.Context, setup TokenSetup, log *auditLog) error {
	kept, err := remembered(ctx, setup)
	if err != nil || kept.Store == "" {
		return err
	}
	var why error
	kind := Tampered
	switch {
	case kept.Store != log.genesis:
		kind, why = Conflict, fmt.Errorf("the token remembers another store, which began with %.16s…", kept.Store)
	case log.hashes[kept.Head.Seq] != kept.Head.Hash:
		why = fmt.Errorf("the token remembers entry %d of this store (%.16s…), which is not in it: the store is older than that, or was rewritten", kept.Head.Seq, kept.Head.Hash)
	default:
		return nil
	}
	return &Error{
		Kind: kind, Op: "check the store", Object: fmt.Sprintf("at audit entry %d", log.Head.Seq), Cause: why,
		Hint: "restore the newest backup; to use this store on purpose, enrol the token with it: keyferry token enrol",
	}
}

// remembered is what the token remembers; zero where it remembers nothing.
func remembered(ctx context.Context, setup TokenSetup) (kept anchored, err error) {
	mem, ok := setup.Token.(Anchorer)
	if !ok {
		return anchored{}, nil
	}
	text, err := mem.Anchor(ctx, anchorName)
	if errors.Is(err, NotFound) || errors.Is(err, Unsupported) {
		return anchored{}, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		return anchored{}, fmt.Errorf("read the audit head kept on token %s: %w", setup.Name, err)
	}
	return kept, nil
}

// anchor lets the token remember the newest head. It fails softly: the head is
// sealed in the store already, and a token without data objects has no place.
func (b *Broker) anchor(ctx context.Context, setup TokenSetup, genesis string, head Head) {
	mem, ok := setup.Token.(Anchorer)
	if !ok {
		return
	}
	if kept, err := remembered(ctx, setup); err == nil && kept.Store == genesis && kept.Head.Seq > head.Seq {
		return // another process finished later
	}
	text, err := json.Marshal(anchored{Store: genesis, Head: Head{Seq: head.Seq, Hash: head.Hash}})
	if err == nil {
		err = mem.SetAnchor(ctx, anchorName, text)
	}
	if err != nil && !errors.Is(err, Unsupported) {
		b.o.Log.WarnContext(ctx, "audit head not kept on the token", "token", setup.Name, "error", err)
	}
}
