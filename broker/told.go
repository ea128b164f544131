package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// knownEnd remembers, for the life of a Broker, up to where the audit was held against
// the token's seals.
type knownEnd struct {
	mu       sync.Mutex
	head     Head
	recent   [64]Head // that and those before it, at their numbers modulo 64
	synced   Head     // the newest that no power failure takes back
	anchored bool     // it was held against what the token itself remembers
	first    string   // hash of the first entry: which store it is; "" not read yet
}

func (k *knownEnd) get() (head Head, anchored bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.head, k.anchored
}

// knows reports whether a head is among the newest that were known.
func (k *knownEnd) knows(head Head) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if head.Seq <= 0 {
		return false
	}
	one := k.recent[head.Seq%int64(len(k.recent))]
	return one.Seq == head.Seq && one.Hash == head.Hash
}

// reach remembers a head that is newer than the one known.
func (k *knownEnd) reach(head Head, anchored bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.anchored = k.anchored || anchored
	if head.Seq > k.head.Seq {
		k.head = head
		k.recent[head.Seq%int64(len(k.recent))] = head
	}
}

// sync remembers a head that is on the disk.
func (k *knownEnd) sync(head Head) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if head.Seq > k.synced.Seq {
		k.synced = head
	}
}

// onDisk is the newest head that is.
func (k *knownEnd) onDisk() Head {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.synced
}

// begin remembers the hash of the first entry, which no store ever changes, unless it is
// "", and returns the one that is known.
func (k *knownEnd) begin(first string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.first == "" {
		k.first = first
	}
	return k.first
}

// told is what the audit tells of a subject; "" of none. The audit's end is held against
// the token's seal, and the subject against the index that the end was sealed with: of
// all that is older, nothing else is read.
func (b *Broker) told(ctx context.Context, subject string) (told, error) {
	setup, err := b.token()
	if err != nil {
		return told{}, err
	}
	known, anchored := b.end.get()
	found, err := b.o.Store.Told(ctx, subject)
	if err != nil {
		return told{}, fmt.Errorf("read the audit: %w", err)
	}
	if err := b.trustEnd(ctx, setup, found.Ended, known, anchored); err != nil {
		return told{}, err
	}
	if found.Entry.Seq > 0 && found.Entry.State == "" {
		if err := b.makeIndex(ctx, setup); err != nil {
			return told{}, err
		}
		return b.told(ctx, subject)
	}
	if subject == "" || found.Entry.Seq == 0 {
		return told{}, nil
	}
	return b.tell(ctx, setup, subject, found)
}

// makeIndex gives an audit that was written before there was an index its own.
func (b *Broker) makeIndex(ctx context.Context, setup TokenSetup) error {
	_, err := b.write(ctx, setup, Change{Entry: Entry{At: b.o.Now(), Event: "audit.indexed", Actor: b.o.Actor}})
	return err
}

// trustEnd holds the audit's end against its seal, and follows the chain to it from the
// head that was known or, the first time, from the one that the token itself remembers:
// a store that was rolled back is older.
func (b *Broker) trustEnd(ctx context.Context, setup TokenSetup, end Ended, known Head, anchored bool) error {
	if err := b.checkEnd(ctx, setup, end, b.end.knows(end.Entry.Head())); err != nil {
		return err
	}
	var err error
	if anchored {
		err = b.goesOn(ctx, end.Entry.Head(), known)
	} else {
		err = b.checkAnchor(ctx, setup, end.Entry.Head())
	}
	if err != nil {
		return err
	}
	b.end.reach(end.Entry.Head(), true)
	return nil
}

// trustBefore is trustEnd for the end that an entry is about to be chained to, inside the
// transaction: what this process knows of is in it, or what it writes would be sealed onto
// a store that was taken back.
func (b *Broker) trustBefore(ctx context.Context, setup TokenSetup, end Ended) error {
	known, _ := b.end.get()
	if err := b.checkEnd(ctx, setup, end, b.end.knows(end.Entry.Head())); err != nil {
		return err
	}
	return b.goesOn(ctx, end.Entry.Head(), known)
}

// goesOn follows the chain from the head that was known to the end, where others than this
// process wrote.
func (b *Broker) goesOn(ctx context.Context, end, known Head) error {
	if end.Seq >= known.Seq && b.end.knows(end) {
		return nil
	}
	there, err := b.follow(ctx, known)
	if err == nil && !there {
		err = auditFault(fmt.Sprintf("entry %d, which was there a moment ago, is not in it", known.Seq))
	}
	return err
}

// checkEnd holds the last entry against its own hash and its head's seal; known is a head
// that was held against the seal before, or made by this process.
func (b *Broker) checkEnd(ctx context.Context, setup TokenSetup, end Ended, known bool) error {
	e, h := end.Entry, end.Head
	switch {
	case h.Seq > e.Seq:
		return auditFault(fmt.Sprintf("sealed head %d (operation %s) is not in the audit: entries were cut", h.Seq, h.Operation))
	case h.Seq < e.Seq:
		return auditFault(fmt.Sprintf("entries after %d carry no seal: something else added them, or their heads were removed", h.Seq))
	case e.Seq == 0:
		return nil
	case !e.Whole() || h.Hash != e.Hash:
		return auditFault(fmt.Sprintf("entry %d (%s) does not match its hash: it was edited", e.Seq, e.Event))
	case known && h.Operation == e.Operation:
		return nil
	}
	return b.checkHead(ctx, setup, h)
}

// follow goes through the chain from an entry to the audit's end; there is false where
// that entry is not in it.
func (b *Broker) follow(ctx context.Context, from Head) (there bool, err error) {
	if from.Seq == 0 {
		return true, nil
	}
	var last Head
	for e, err := range b.o.Store.Entries(ctx, from.Seq-1) {
		if err != nil {
			return false, fmt.Errorf("read the audit: %w", err)
		}
		if last.Seq == 0 {
			if e.Seq != from.Seq || e.Hash != from.Hash {
				return false, nil
			}
			last = Head{Seq: e.Seq - 1, Hash: e.Prev}
		}
		if fault := chainFault(e, last); fault != "" {
			return true, auditFault(fault)
		}
		last = e.Head()
	}
	return last.Seq > 0, nil
}

// tell makes of the entries about a subject what they tell. They must be all that the
// index knows of, each linked to the one before.
func (b *Broker) tell(ctx context.Context, setup TokenSetup, subject string, found Told) (told, error) {
	if err := found.complete(subject); err != nil {
		return told{}, auditFault(err.Error())
	}
	t := told{rows: map[string]string{}, missing: map[string]bool{}, entries: found.Entries}
	for _, e := range found.Entries {
		if h, old := found.Heads[e.Seq]; old {
			if err := b.checkEnd(ctx, setup, Ended{Entry: e, Head: h}, false); err != nil {
				return told{}, err
			}
		}
		t.add(e)
	}
	return t, nil
}

func (l *told) add(e Entry) {
	l.begun = l.begun || e.Event == importBegun
	if ref, ok := e.Details["ref"].(string); ok && e.Event == storeMissing {
		l.missing[ref] = true
	}
	written, _ := e.Details[rowsField].(map[string]any) // entries that wrote no row have none
	for name, sum := range written {
		l.rows[name], _ = sum.(string)
	}
}

// complete: the entries are all that there are about the subject, and each is as it was.
func (t Told) complete(subject string) error {
	state, err := t.Path.State(subject)
	if err != nil {
		return err
	}
	if state != t.Entry.State {
		return fmt.Errorf("the index of the audit at %s is not the one that entry %d was sealed with", subject, t.Entry.Seq)
	}
	end := t.Path.Find(subject)
	entries := t.Entries
	if n := len(entries); n > 0 && entries[n-1].Seq == t.Entry.Seq {
		if entries[n-1].Hash != t.Entry.Hash || !entries[n-1].Whole() {
			return errors.New("its last entry is not as it was sealed")
		}
		entries = entries[:n-1]
	}
	if int64(len(entries)) != end.Entries {
		return fmt.Errorf("it has %d entries about %s, and the index knows of %d: entries were removed or edited", len(entries), subject, end.Entries)
	}
	return linked(subject, end.Link, entries)
}

// linked follows the links back, each of which names number and hash.
func linked(subject string, last Link, entries []Entry) error {
	for _, e := range slices.Backward(entries) {
		if old := last.Seq == 0 && e.State == ""; !old && (e.Seq != last.Seq || e.Hash != last.Hash) || !e.Whole() {
			return fmt.Errorf("entry %d (%s) is not as it was when entries after it were written: it was edited", e.Seq, e.Event)
		}
		last = e.Links[subject]
	}
	return nil
}
