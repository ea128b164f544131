package broker

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
)

// auditLog is the audit as far as it was read, checked without the token.
type auditLog struct {
	AuditReport
	genesis string            // hash of the first entry
	hashes  map[int64]string  // by number
	rows    map[string]string // digest of each row as last written, by its name
	begun   map[string]bool   // names of keys whose import began
	sealed  Head              // the newest sealed head; zero none
	heads   []Head
}

func newAuditLog() auditLog {
	return auditLog{hashes: map[int64]string{}, rows: map[string]string{}, begun: map[string]bool{}}
}

// readRounds bounds how often the audit's tail is read while others write.
const readRounds = 50

// read goes on to the audit's present end and recomputes its chain. Every entry is
// written with a sealed head, so the last of both must be the same. What does not
// hold is in Faults, by entry.
func (l *auditLog) read(ctx context.Context, s Store) error {
	var beyond Head // a head without its entry: others write, or entries were cut
	for range readRounds {
		for e, err := range s.Entries(ctx, l.Head.Seq) {
			if err != nil {
				return fmt.Errorf("read the audit: %w", err)
			}
			if err := l.add(e); err != nil {
				return err
			}
		}
		var err error
		if beyond, err = l.readHeads(ctx, s); err != nil {
			return err
		}
		if len(l.Faults) > 0 || beyond.Seq == 0 && l.sealed.Seq == l.Head.Seq {
			return nil
		}
	}
	if beyond.Seq > 0 {
		l.fault("sealed head %d (operation %s) is not in the audit: entries were cut", beyond.Seq, beyond.Operation)
	} else {
		l.fault("entries after %d carry no seal: something else added them, or their heads were removed", l.sealed.Seq)
	}
	return nil
}

// readHeads reads the heads of the entries that were read, and the first one
// beyond them.
func (l *auditLog) readHeads(ctx context.Context, s Store) (beyond Head, err error) {
	for h, err := range s.Heads(ctx, l.sealed.Seq) {
		if err != nil {
			return Head{}, fmt.Errorf("read the audit's heads: %w", err)
		}
		if h.Seq > l.Head.Seq {
			return h, nil
		}
		l.addHead(h)
	}
	return Head{}, nil
}

func (l *auditLog) fault(format string, args ...any) {
	l.Faults = append(l.Faults, fmt.Sprintf(format, args...))
}

// add holds one entry against the one before it.
func (l *auditLog) add(e Entry) error {
	want, err := e.Chained(l.Head)
	if err != nil {
		return err
	}
	switch {
	case e.Seq != want.Seq:
		l.fault("entry %d is where %d belongs: an entry was removed or reordered", e.Seq, want.Seq)
	case e.Prev != want.Prev:
		l.fault("entry %d does not follow the entry before it: one of them was edited or replaced", e.Seq)
	case e.Hash != want.Hash:
		l.fault("entry %d (%s) does not match its hash: it was edited", e.Seq, e.Event)
	}
	l.Head = e.Head()
	l.Entries++
	l.hashes[e.Seq] = e.Hash
	if l.Entries == 1 {
		l.genesis = e.Hash
	}
	if e.Event == importBegun {
		l.begun[e.Key] = true
	}
	written, _ := e.Details[rowsField].(map[string]any) // entries that wrote no row have none
	for name, sum := range written {
		l.rows[name], _ = sum.(string)
	}
	return nil
}

func (l *auditLog) addHead(h Head) {
	if l.hashes[h.Seq] != h.Hash {
		l.fault("sealed head %d (operation %s) is not in the audit: entries were cut, or the head was edited", h.Seq, h.Operation)
	}
	l.heads = append(l.heads, h)
	l.sealed = h
}

func equalSeal(a, b []byte) bool { return len(a) > 0 && hmac.Equal(a, b) }

// VerifyAudit recomputes the whole chain and every head's seal, looks for since
// where it is given, and holds every key, operation and enrolment on record
// against what the audit tells of it. What was edited, removed, reordered or cut
// is in the report's Faults; an error means that it could not be verified.
func (b *Broker) VerifyAudit(ctx context.Context, since *Head) (AuditReport, error) {
	setup, err := b.token()
	if err != nil {
		return AuditReport{}, err
	}
	log := newAuditLog()
	if err := log.read(ctx, b.o.Store); err != nil {
		return AuditReport{}, err
	}
	if since != nil && log.hashes[since.Seq] != since.Hash {
		log.fault("entry %d with hash %.16s… was there before and is not now: the audit was cut or rewritten", since.Seq, since.Hash)
	}
	for _, h := range log.heads {
		mac, err := seal(ctx, setup, h.Record())
		if err != nil {
			return AuditReport{}, fmt.Errorf("check audit head %d: %w", h.Seq, err)
		}
		if !equalSeal(mac, h.Seal) {
			log.fault("the seal of head %d (operation %s) does not match", h.Seq, h.Operation)
			continue
		}
		log.AuditReport.Heads++ //nolint:staticcheck // log.Heads would read like the slice beside it
	}
	for _, check := range []func(context.Context, *auditLog) error{b.checkRows, b.checkRemembered} {
		if err := check(ctx, &log); errors.Is(err, Tampered) || errors.Is(err, Conflict) {
			log.fault("%v", err)
		} else if err != nil {
			return AuditReport{}, err
		}
	}
	return log.AuditReport, nil
}

// checkRemembered holds the audit against what the token remembers of it.
func (b *Broker) checkRemembered(ctx context.Context, log *auditLog) error {
	setup, err := b.token()
	if err != nil {
		return err
	}
	return b.checkAnchor(ctx, setup, log)
}

// checkRows holds everything on record against the audit; again when others wrote
// meanwhile.
func (b *Broker) checkRows(ctx context.Context, log *auditLog) error {
	for {
		err := b.rowsNow(ctx, log)
		before := log.Head.Seq
		if !errors.Is(err, Tampered) {
			return err
		}
		if err := log.read(ctx, b.o.Store); err != nil {
			return err
		}
		if log.Head.Seq == before {
			return err
		}
	}
}

func (b *Broker) rowsNow(ctx context.Context, log *auditLog) error {
	var faults []error
	keys := map[string]bool{}
	for view, err := range b.o.Store.Keys(ctx, KeyFilter{}) {
		if err != nil {
			return fmt.Errorf("read keys: %w", err)
		}
		keys[view.Key.Name] = true
		operations, err := b.operationsOf(ctx, view.Key.Name)
		if err != nil {
			return err
		}
		faults = append(faults, log.whole(view, operations))
	}
	for name := range log.begun {
		if !keys[name] {
			faults = append(faults, log.noKey(name))
		}
	}
	enrolled, err := b.o.Store.Enrolments(ctx)
	if err != nil {
		return fmt.Errorf("read enrolments: %w", err)
	}
	for _, e := range enrolled {
		faults = append(faults, log.row(enrolmentRow(e), e))
	}
	wrapping, err := b.o.Store.WrappingKeys(ctx, "")
	if err != nil {
		return fmt.Errorf("read wrapping keys: %w", err)
	}
	for _, k := range wrapping {
		faults = append(faults, log.row(wrappingKeyRow(k), k))
	}
	return errors.Join(faults...)
}

// operationsOf a key, newest first.
func (b *Broker) operationsOf(ctx context.Context, name string) ([]OperationView, error) {
	var all []OperationView
	for op, err := range b.o.Store.Operations(ctx, OperationFilter{KeyName: name}) {
		if err != nil {
			return nil, fmt.Errorf("read operations of key %s: %w", name, err)
		}
		all = append(all, op)
	}
	return all, nil
}

// witnessKey holds a key that was read, and all its operations, against the audit.
func (b *Broker) witnessKey(ctx context.Context, view KeyView) error {
	operations, err := b.operationsOf(ctx, view.Key.Name)
	if err != nil {
		return err
	}
	return b.witness(ctx, func(log *auditLog) error { return log.whole(view, operations) })
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
