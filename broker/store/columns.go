package store

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"
)

// moment is a time in a column: microseconds since 1970 in UTC, NULL for the
// zero time.
type moment struct{ at *time.Time }

// Value implements driver.Valuer.
func (m moment) Value() (driver.Value, error) {
	if m.at.IsZero() {
		return nil, nil
	}
	return m.at.UnixMicro(), nil
}

// Scan implements sql.Scanner.
func (m moment) Scan(v any) error {
	var n sql.NullInt64
	if err := n.Scan(v); err != nil {
		return err
	}
	*m.at = time.Time{}
	if n.Valid {
		*m.at = time.UnixMicro(n.Int64).UTC()
	}
	if year := m.at.Year(); year < 0 || year > 9999 { // JSON has none (RFC 3339)
		return fmt.Errorf("decode time: %d µs are in the year %d", n.Int64, year)
	}
	return nil
}

// cut makes a time inside JSON as exact as one in a column.
func cut(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// document is a struct or map in a column, as JSON.
type document struct{ of any }

// Value implements driver.Valuer.
func (d document) Value() (driver.Value, error) {
	text, err := json.Marshal(d.of)
	return string(text), err
}

// Scan implements sql.Scanner.
func (d document) Scan(v any) error {
	switch text := v.(type) {
	case nil: // an outer join left it out
		return nil
	case string:
		if text == "{}" {
			return nil // the usual empty one
		}
		return json.Unmarshal([]byte(text), d.of)
	case []byte:
		return json.Unmarshal(text, d.of)
	default:
		return fmt.Errorf("decode JSON column: it holds %T", v)
	}
}

// optional is a column of a row that an outer join may have left out: NULL is
// the zero value.
type optional[T any] struct{ of *T }

// Scan implements sql.Scanner.
func (o optional[T]) Scan(v any) error {
	var n sql.Null[T]
	err := n.Scan(v)
	*o.of = n.V
	return err
}

// blob is a BLOB that may be empty but not NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// raw is JSON that the store does not look into; ” is none.
func raw(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}
