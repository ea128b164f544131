package broker

import (
	"context"
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
	asking     map[string]*sync.Mutex // by target
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
	return b.identifyAll(ctx, targets)
}

// identifyAll asks each target who the broker is there, once. One that does not answer
// holds up only who needs it.
func (b *Broker) identifyAll(ctx context.Context, targets []Target) error {
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
		return b.trustAudit(ctx)
	}
	e, err := find(enrolled, EnrolToken, setup.Name)
	if err != nil {
		return err
	}
	for _, check := range []func() error{
		func() error { return b.checkSeal(ctx, setup, e) },
		func() error { return e.Matches(setup.Environment, setup.Pins) },
		func() error { return b.sameToken(ctx, setup, e) },
		func() error { return b.witnessEnrolment(ctx, e) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	b.known.token = &e
	return nil
}

// trustAudit holds the audit's end against the token's seal and, the first time, against
// what the token itself remembers.
func (b *Broker) trustAudit(ctx context.Context) error {
	_, err := b.told(ctx, "")
	return err
}

func (b *Broker) witnessEnrolment(ctx context.Context, e Enrolment) error {
	return b.witness(ctx, enrolmentRow(e), func(t told) error { return t.row(enrolmentRow(e), e) })
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
	if err := b.witnessEnrolment(ctx, e); err != nil {
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
	asking := b.known.askingAt(t.Name)
	asking.Lock()
	defer asking.Unlock()
	if b.known.identified(t.Name) {
		return nil
	}
	who, ok := t.Provider.(Identifier)
	if !ok {
		return nil
	}
	var id Identity
	err := again(ctx, func() (err error) { id, err = who.Identify(ctx); return err })
	if err != nil {
		return askedError{fmt.Errorf("identify at target %s: %w", t.Name, err)}
	}
	if want := t.Pins[PinAccount]; want != id.Account {
		return &Error{
			Kind: Tampered, Op: "identify at target", Object: t.Name,
			Cause: fmt.Errorf("the credentials belong to account %s, %s was enrolled", id.Account, want),
			Hint:  "use credentials of the enrolled account",
		}
	}
	b.known.mu.Lock()
	defer b.known.mu.Unlock()
	b.known.identities[t.Name] = id
	return nil
}

func (k *trusted) identified(target string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.identities[target]
	return ok
}

// askingAt is held by whoever asks a target who the broker is there.
func (k *trusted) askingAt(target string) *sync.Mutex {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asking[target] == nil {
		k.asking[target] = &sync.Mutex{}
	}
	return k.asking[target]
}

// ProofIdentifier says who proofs are asked for as, where that is somebody else than
// who imports: zero where it is not.
type ProofIdentifier interface {
	IdentifyProof(ctx context.Context) (Identity, error)
}

// identifyProof asks a target who proofs will be asked for as, so that a wrong name
// shows before there is material that cannot be proven.
func (b *Broker) identifyProof(ctx context.Context, t Target) (id Identity, err error) {
	who, ok := t.Provider.(ProofIdentifier)
	if !ok {
		return Identity{}, nil
	}
	if err := again(ctx, func() (err error) { id, err = who.IdentifyProof(ctx); return err }); err != nil {
		return Identity{}, fmt.Errorf("identify for proofs at target %s: %w", t.Name, err)
	}
	return id, nil
}

// The pins that the broker itself reads.
const (
	PinAccount  = "account"  // an Identity's account is held against it
	PinEndpoint = "endpoint" // what is not at one endpoint is not one place
)

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
