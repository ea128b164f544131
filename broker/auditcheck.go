package broker

import (
	"context"
	"crypto/hmac"
	"fmt"
)

// auditLog is the audit as read from the store and checked without the token.
type auditLog struct {
	AuditReport
	genesis string           // hash of the first entry
	hashes  map[int64]string // by number; of what passed
	sealed  *Head            // the newest sealed head
	heads   []Head
}

// readAudit reads the whole audit and recomputes its chain. What does not hold
// is in Faults, by entry; since, when given, must still be in it.
func (b *Broker) readAudit(ctx context.Context, since *Head) (auditLog, error) {
	log := auditLog{hashes: map[int64]string{}}
	for e, err := range b.o.Store.Entries(ctx, 0) {
		if err != nil {
			return auditLog{}, fmt.Errorf("read the audit: %w", err)
		}
		if err := log.add(e); err != nil {
			return auditLog{}, err
		}
	}
	for h, err := range b.o.Store.Heads(ctx) {
		if err != nil {
			return auditLog{}, fmt.Errorf("read the audit's heads: %w", err)
		}
		log.addHead(h)
	}
	if since != nil && log.hashes[since.Seq] != since.Hash {
		log.fault("entry %d with hash %.16s… was there before and is not now: the audit was cut or rewritten", since.Seq, since.Hash)
	}
	return log, nil
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
	return nil
}

func (l *auditLog) addHead(h Head) {
	if l.hashes[h.Seq] != h.Hash {
		l.fault("sealed head %d (operation %s) is not in the audit: entries were cut, or the head was edited", h.Seq, h.Operation)
	}
	l.heads = append(l.heads, h)
	l.sealed = &l.heads[len(l.heads)-1]
}

func equalSeal(a, b []byte) bool { return len(a) > 0 && hmac.Equal(a, b) }

// VerifyAudit recomputes the whole chain and every head's seal, and looks for
// since where it is given. What was edited, removed, reordered or cut is in the
// report's Faults; an error means that it could not be verified.
func (b *Broker) VerifyAudit(ctx context.Context, since *Head) (AuditReport, error) {
	setup, err := b.token()
	if err != nil {
		return AuditReport{}, err
	}
	log, err := b.readAudit(ctx, since)
	if err != nil {
		return AuditReport{}, err
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
		log.AuditReport.Heads++
	}
	if err := b.checkAnchor(ctx, setup, log); err != nil {
		log.fault("%v", err)
	}
	return log.AuditReport, nil
}
