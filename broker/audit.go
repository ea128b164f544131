package broker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Entry is one line of the audit: append-only, chained by SHA-256, written in
// the transaction of the change it tells of.
type Entry struct {
	Seq       int64          `json:"seq"` // from 1, without gaps; set by the store
	At        time.Time      `json:"at"`
	Event     string         `json:"event"` // "import.begun", "wrapping-key.fetched"
	Operation string         `json:"operation,omitempty"`
	Key       string         `json:"key,omitempty"` // name
	Number    int            `json:"number,omitempty"`
	Target    string         `json:"target,omitempty"`
	Actor     Actor          `json:"actor"`
	Principal string         `json:"principal,omitempty"` // at the target, in its words
	Reason    string         `json:"reason,omitempty"`
	Ticket    string         `json:"ticket,omitempty"`
	Details   map[string]any `json:"details,omitempty"` // evidence; never a secret
	// State is the root of the index over all entries before, and Links are the last of
	// them about each of this entry's subjects. Set by the store.
	State string          `json:"state,omitempty"`
	Links map[string]Link `json:"links,omitempty"`
	Prev  string          `json:"prev"` // hash of the entry before; set by the store
	Hash  string          `json:"hash"` // of this entry; set by the store
}

// Head is the end of the audit at one time: the number and hash of its last
// entry. Sealed by the token, it says that all before it was as it is.
type Head struct {
	Seq       int64     `json:"seq"`
	Hash      string    `json:"hash"`
	Operation string    `json:"operation,omitempty"` // of that entry
	Seal      []byte    `json:"seal,omitempty"`
	At        time.Time `json:"at,omitzero"`
}

// GenesisHash is the Prev of the first entry.
const GenesisHash = "0000000000000000000000000000000000000000000000000000000000000000"

// Chained returns the entry numbered, linked to prev and hashed: SHA-256 over its
// JSON without the hash. Times are cut to microseconds, which every store keeps.
func (e Entry) Chained(prev Head) (Entry, error) {
	e.Seq = prev.Seq + 1
	e.Prev = prev.Hash
	if prev.Seq == 0 {
		e.Prev = GenesisHash
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	e.Hash = ""
	text, err := json.Marshal(e)
	if err != nil {
		return Entry{}, fmt.Errorf("encode audit entry %s: %w", e.Event, err)
	}
	sum := sha256.Sum256(text)
	e.Hash = hex.EncodeToString(sum[:])
	return e, nil
}

// Whole reports whether an entry is as it was when it was hashed.
func (e Entry) Whole() bool {
	again, err := e.Chained(Head{Seq: e.Seq - 1, Hash: e.Prev})
	return err == nil && again.Hash == e.Hash && again.Prev == e.Prev && again.At.Equal(e.At)
}

// Subjects are what an entry is about, by which the index finds it again: its key, and
// what it wrote of no key's own.
func (e Entry) Subjects() []string {
	var about []string
	if e.Key != "" {
		about = append(about, KeySubject(e.Key))
	}
	rows, _ := e.Details[rowsField].(map[string]any) // entries that wrote no row have none
	for name := range rows {
		if subject := subjectOfRow(name); subject != "" {
			about = append(about, subject)
		}
	}
	slices.Sort(about)
	return slices.Compact(about)
}

// Head is the head of an audit that ends with e.
func (e Entry) Head() Head { return Head{Seq: e.Seq, Hash: e.Hash, At: e.At} }

// Record is what the token seals of a head.
func (h Head) Record() []byte {
	at := h.At.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
	return fmt.Appendf(nil, "keyferry audit head v1\x00%d\x00%s\x00%s\x00%s", h.Seq, h.Hash, h.Operation, at)
}
