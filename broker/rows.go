package broker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// rowsField is the audit detail that holds the SHA-256 of every row a change
// wrote, by the row's name. The audit is sealed with each entry, so whoever edits
// a row without the token leaves a row that its audit does not tell of.
const rowsField = "rows"

func keyRow(id string) string                 { return "key " + id }
func versionRow(id string, number int) string { return fmt.Sprintf("version %d of key %s", number, id) }

func placementRow(p Placement) string {
	return fmt.Sprintf("placement at target %s of version %d of key %s", p.Target, p.Number, p.KeyID)
}
func operationRow(o Operation) string { return "operation " + o.ID + " of key " + o.KeyID }
func effectRow(e Effect) string {
	return "effect " + string(e.Step) + " at target " + e.Target + " of operation " + e.Operation
}

func wrappingKeyRow(k KeptWrappingKey) string {
	return "wrapping key " + k.Ref + rowOfTarget + k.Target
}
func enrolmentRow(e Enrolment) string { return enrolmentOf + string(e.Kind) + " " + e.Name }

const (
	rowOfTarget = " of target "
	enrolmentOf = "enrolment of "
	keeperOfRow = "keeper key "
)

// keepersSubject is that of every entry about keeper keys.
const keepersSubject = "keeper keys"

// KeySubject is the subject of every entry about a key.
func KeySubject(name string) string { return "key " + name }

// wrappingKeysSubject is that of every entry about wrapping keys of a target.
func wrappingKeysSubject(target string) string { return "wrapping keys" + rowOfTarget + target }

// subjectOfRow is the subject that a row belongs to; "" where that is its entry's key.
func subjectOfRow(name string) string {
	switch {
	case strings.HasPrefix(name, enrolmentOf):
		return name
	case strings.HasPrefix(name, keeperOfRow):
		return keepersSubject
	case strings.HasPrefix(name, "wrapping key "):
		return wrappingKeysSubject(name[strings.LastIndex(name, rowOfTarget)+len(rowOfTarget):])
	default:
		return ""
	}
}

func retainedRow(keyID string, number int) string {
	return fmt.Sprintf("wrapped material of version %d of key %s", number, keyID)
}
func keeperRow(k KeptKeeper) string { return keeperOfRow + string(k.ID) }

// rows are what a change writes, by name.
func (c Change) rows() map[string]any {
	rows := map[string]any{}
	if c.NewKey != nil {
		rows[keyRow(c.NewKey.ID)] = *c.NewKey
	}
	for _, v := range []*KeyVersion{c.NewVersion, c.Version} {
		if v != nil {
			rows[versionRow(v.KeyID, v.Number)] = *v
		}
	}
	for _, p := range c.Placements {
		rows[placementRow(p)] = p
	}
	for _, o := range []*Operation{c.NewOperation, c.Operation} {
		if o != nil {
			rows[operationRow(*o)] = *o
		}
	}
	for _, r := range []*EffectRecord{c.Intent, c.Result} {
		if r != nil {
			rows[effectRow(r.Effect)] = *r
		}
	}
	if c.Enrolment != nil {
		rows[enrolmentRow(*c.Enrolment)] = *c.Enrolment
	}
	if c.WrappingKey != nil {
		rows[wrappingKeyRow(*c.WrappingKey)] = *c.WrappingKey
	}
	if c.Retained != nil {
		rows[c.Retained.name()] = *c.Retained
	}
	for _, k := range c.Keepers {
		rows[keeperRow(k)] = k
	}
	return rows
}

// witnessed is the change with the digests of its rows in its audit entry.
func (c Change) witnessed() (Change, error) {
	digests := map[string]string{}
	for name, row := range c.rows() {
		sum, err := digest(row)
		if err != nil {
			return Change{}, fmt.Errorf("digest %s: %w", name, err)
		}
		digests[name] = sum
	}
	if len(digests) > 0 {
		c.Entry.Details = with(c.Entry.Details, rowsField, digests)
	}
	return c, nil
}

// digest is SHA-256 over a row's JSON without what is empty: a store may give
// back an empty map as none.
func digest(row any) (string, error) {
	text, err := json.Marshal(row)
	if err != nil {
		return "", err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", err
	}
	if text, err = json.Marshal(full(value)); err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// full is a JSON value without its empty members.
func full(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			if member = full(member); member != nil {
				out[name] = member
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		if len(v) == 0 {
			return nil
		}
		for i := range v {
			v[i] = full(v[i])
		}
		return v
	case string:
		if v == "" {
			return nil
		}
	}
	return value
}

// told is what the audit tells of one subject.
type told struct {
	rows  map[string]string // digest of each row as last written, by its name
	begun bool              // an import of the key began
	// missing are refs of what was there of the key when the store was recovered.
	missing map[string]bool
	entries []Entry // all about it, oldest first
}

// row holds one row that was read from the store against the audit.
func (l told) row(name string, row any) error {
	sum, err := digest(row)
	if err != nil {
		return fmt.Errorf("digest %s: %w", name, err)
	}
	told, ok := l.rows[name]
	switch {
	case ok && told == sum:
		return nil
	case !ok:
		err = errors.New("the audit tells of no such row")
	default:
		err = errors.New("it is not as the audit tells: somebody edited the store")
	}
	return &Error{
		Kind: Tampered, Op: "check", Object: name, Cause: err,
		Hint: "keyferry audit verify lists everything; restore a backup, and find out who changed it",
	}
}

// whole holds a key, everything under it and its operations against the audit: as
// it tells, nothing more, and nothing missing.
func (l told) whole(k KeyView, operations []OperationView, kept []Retained) error {
	rows := map[string]any{keyRow(k.Key.ID): k.Key}
	for _, v := range k.Versions {
		rows[versionRow(v.KeyID, v.Number)] = v
	}
	for _, p := range k.Placements {
		rows[placementRow(p)] = p
	}
	for _, r := range kept {
		rows[r.name()] = r
	}
	for _, o := range operations {
		rows[operationRow(o.Operation)] = o.Operation
		for _, r := range o.Effects {
			rows[effectRow(r.Effect)] = r
		}
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		faults = append(faults, l.row(name, rows[name]))
	}
	for _, name := range l.under(k.Key.ID, operations) {
		if _, there := rows[name]; !there {
			faults = append(faults, removed(name))
		}
	}
	return errors.Join(faults...)
}

// under are the rows that the audit tells of a key and of its operations.
func (l told) under(keyID string, operations []OperationView) []string {
	of := []string{" of key " + keyID}
	for _, o := range operations {
		of = append(of, " of operation "+o.Operation.ID)
	}
	var names []string
	for name := range l.rows {
		if slices.ContainsFunc(of, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func removed(name string) error {
	return &Error{
		Kind: Tampered, Op: "check", Object: name, Cause: errors.New("the audit tells of it, and the store does not have it: somebody removed it"),
		Hint: "keyferry audit verify lists everything; restore a backup, and find out who changed it",
	}
}

// noKey holds the absence of a key against the audit.
func (l told) noKey(name string) error {
	if l.begun {
		return removed("key " + name)
	}
	return nil
}
