package broker

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"iter"
)

// auditLog follows the whole audit, entry by entry with its head, and keeps none of it.
type auditLog struct {
	AuditReport
	since *Head // must be in it; nil once it was seen
}

func (l *auditLog) fault(format string, args ...any) {
	l.Faults = append(l.Faults, fmt.Sprintf(format, args...))
}

// chainFault says what is wrong with an entry after the one before it; "" nothing.
func chainFault(e Entry, before Head) string {
	want, err := e.Chained(before)
	switch {
	case err != nil:
		return err.Error()
	case e.Seq != want.Seq:
		return fmt.Sprintf("entry %d is where %d belongs: an entry was removed or reordered", e.Seq, want.Seq)
	case e.Prev != want.Prev:
		return fmt.Sprintf("entry %d does not follow the entry before it: one of them was edited or replaced", e.Seq)
	case e.Hash != want.Hash:
		return fmt.Sprintf("entry %d (%s) does not match its hash: it was edited", e.Seq, e.Event)
	}
	return ""
}

// auditFault is a fault as a refusal.
func auditFault(fault string) error {
	return &Error{
		Kind: Tampered, Op: "check the audit", Cause: errors.New(fault),
		Hint: "keyferry audit verify lists everything; restore a backup, and find out who changed it",
	}
}

func equalSeal(a, b []byte) bool { return len(a) > 0 && hmac.Equal(a, b) }

// VerifyAudit recomputes the whole chain and every head's seal, looks for since
// where it is given, and holds every key, operation and enrolment on record
// against what the audit tells of it. What was edited, removed, reordered or cut
// is in the report's Faults; an error means that it could not be verified. It keeps no
// more in memory the longer the audit is.
func (b *Broker) VerifyAudit(ctx context.Context, since *Head) (AuditReport, error) {
	setup, err := b.token()
	if err != nil {
		return AuditReport{}, err
	}
	end, err := b.o.Store.Told(ctx, "")
	if err != nil {
		return AuditReport{}, fmt.Errorf("read the audit: %w", err)
	}
	log := auditLog{since: since}
	if err := b.walk(ctx, setup, &log, end.Ended); err != nil {
		return AuditReport{}, err
	}
	if log.since != nil {
		log.fault("entry %d with hash %.16s… was there before and is not now: the audit was cut or rewritten", since.Seq, since.Hash)
	}
	for _, check := range []func() error{
		func() error { return b.checkRows(ctx, &log) },
		func() error { return b.checkAnchor(ctx, setup, log.Head) },
	} {
		if err := check(); errors.Is(err, Tampered) || errors.Is(err, Conflict) {
			log.fault("%v", err)
		} else if err != nil {
			return AuditReport{}, err
		}
	}
	return log.AuditReport, nil
}

// walk follows entries and heads to the end that was seen.
func (b *Broker) walk(ctx context.Context, setup TokenSetup, log *auditLog, end Ended) error {
	next, stop := iter.Pull2(b.o.Store.Heads(ctx, 0))
	defer stop()
	var h Head
	under := int64(0) // the last entry that was held against a head
	for e, err := range b.o.Store.Entries(ctx, 0) {
		if err != nil {
			return fmt.Errorf("read the audit: %w", err)
		}
		if e.Seq > end.Entry.Seq {
			break // written meanwhile
		}
		log.entry(e)
		if err := b.begunKey(ctx, log, e); err != nil {
			return err
		}
		for more := true; more && h.Seq < e.Seq; {
			if h, err, more = next(); err != nil {
				return fmt.Errorf("read the audit's heads: %w", err)
			}
		}
		if h.Seq > e.Seq {
			continue // written together with those up to that one, under its seal
		}
		if err := b.walkHead(ctx, setup, log, e, h); err != nil {
			return err
		}
		under = e.Seq
	}
	if under < log.Head.Seq {
		log.fault("entries after %d are under no seal that was there: something else added them", under)
	}
	if h := end.Head; h.Seq > log.Head.Seq {
		log.fault("sealed head %d (operation %s) is not in the audit: entries were cut", h.Seq, h.Operation)
	}
	return nil
}

// entry holds one entry against the one before it.
func (l *auditLog) entry(e Entry) {
	if fault := chainFault(e, l.Head); fault != "" {
		l.fault("%s", fault)
	}
	l.Head = e.Head()
	l.Entries++
	if s := l.since; s != nil && s.Seq == e.Seq && s.Hash == e.Hash {
		l.since = nil
	}
}

// walkHead holds an entry's head against it and against the token.
func (b *Broker) walkHead(ctx context.Context, setup TokenSetup, log *auditLog, e Entry, h Head) error {
	if h.Seq != e.Seq {
		log.fault("entry %d (%s) is under no seal: something else added it, or its head was removed", e.Seq, e.Event)
		return nil
	}
	if h.Hash != e.Hash {
		log.fault("sealed head %d (operation %s) is not in the audit: entries were cut, or the head was edited", h.Seq, h.Operation)
	}
	mac, err := seal(ctx, setup, h.Record())
	if err != nil {
		return fmt.Errorf("check audit head %d: %w", h.Seq, err)
	}
	if !equalSeal(mac, h.Seal) {
		log.fault("the seal of head %d (operation %s) does not match", h.Seq, h.Operation)
		return nil
	}
	log.Heads++
	return nil
}

// begunKey: a key whose import began is on record.
func (b *Broker) begunKey(ctx context.Context, log *auditLog, e Entry) error {
	if e.Event != importBegun {
		return nil
	}
	_, err := b.o.Store.Key(ctx, e.Key)
	if errors.Is(err, NotFound) {
		log.fault("%v", removed("key "+e.Key))
		return nil
	}
	if err != nil {
		return fmt.Errorf("read key %s: %w", e.Key, err)
	}
	return nil
}

// checkRows holds everything on record against the audit.
func (b *Broker) checkRows(ctx context.Context, log *auditLog) error {
	for view, err := range b.o.Store.Keys(ctx, KeyFilter{}) {
		if err != nil {
			return fmt.Errorf("read keys: %w", err)
		}
		if err := b.checkKey(ctx, view); errors.Is(err, Tampered) {
			log.fault("%v", err)
		} else if err != nil {
			return err
		}
	}
	enrolled, err := b.o.Store.Enrolments(ctx)
	if err != nil {
		return fmt.Errorf("read enrolments: %w", err)
	}
	var faults []error
	for _, e := range enrolled {
		faults = append(faults, b.witness(ctx, enrolmentRow(e), func(t told) error { return t.row(enrolmentRow(e), e) }))
	}
	wrapping, err := b.o.Store.WrappingKeys(ctx, "")
	if err != nil {
		return fmt.Errorf("read wrapping keys: %w", err)
	}
	for _, k := range wrapping {
		faults = append(faults, b.witness(ctx, wrappingKeysSubject(k.Target), func(t told) error { return t.row(wrappingKeyRow(k), k) }))
	}
	keepers, err := b.o.Store.Keepers(ctx)
	if err != nil {
		return fmt.Errorf("read keeper keys: %w", err)
	}
	faults = append(faults, b.witness(ctx, keepersSubject, func(t told) error { return t.keepers(keepers) }))
	return errors.Join(faults...)
}

// checkKey holds a key against the audit; again when somebody wrote it meanwhile.
func (b *Broker) checkKey(ctx context.Context, view KeyView) (err error) {
	for range attempts {
		if err = b.witnessKey(ctx, view); !errors.Is(err, Tampered) {
			return err
		}
		again, readErr := b.o.Store.Key(ctx, view.Key.Name)
		if readErr != nil {
			return err
		}
		view = again
	}
	return err
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

// retainedOf a key is what is kept wrapped of its versions.
func (b *Broker) retainedOf(ctx context.Context, view KeyView) (kept []Retained, err error) {
	for r, err := range b.o.Store.Retained(ctx, RetainedFilter{KeyID: view.Key.ID}) {
		if err != nil {
			return nil, fmt.Errorf("read what is kept of key %s: %w", view.Key.Name, err)
		}
		kept = append(kept, r)
	}
	return kept, nil
}

// witnessKey holds a key that was read, and all its operations, against the audit.
func (b *Broker) witnessKey(ctx context.Context, view KeyView) error {
	_, err := b.witnessedOperations(ctx, view)
	return err
}

// witnessedOperations are a key's, newest first, held against the audit together with the
// key that was read.
func (b *Broker) witnessedOperations(ctx context.Context, view KeyView) ([]OperationView, error) {
	operations, err := b.operationsOf(ctx, view.Key.Name)
	if err != nil {
		return nil, err
	}
	kept, err := b.retainedOf(ctx, view)
	if err != nil {
		return nil, err
	}
	err = b.witness(ctx, KeySubject(view.Key.Name), func(t told) error { return t.whole(view, operations, kept) })
	return operations, err
}

// witness holds rows of a subject that were read from the store against an audit that is
// as new as they are.
func (b *Broker) witness(ctx context.Context, subject string, rows func(told) error) error {
	t, err := b.told(ctx, subject)
	if err != nil {
		return err
	}
	return rows(t)
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
