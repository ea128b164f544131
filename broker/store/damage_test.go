package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
	"github.com/keyferry/keyferry/broker/store/storetest"
)

// pageSize is SQLite's.
const pageSize = 4096

// whole is a sample database as one file, with nothing left in its -wal.
func whole(t storetest.TB) []byte {
	t.Helper()
	path := sample(t)
	change(t, path, `PRAGMA wal_checkpoint(TRUNCATE)`)
	text, err := os.ReadFile(path)
	must(t, err)
	return text
}

// readWhole opens a file and reads all there is in it.
func readWhole(ctx context.Context, path string) (err error) {
	s, err := store.Open(ctx, store.Options{Path: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Check(ctx); err != nil {
		return err
	}
	for _, err := range s.Keys(ctx, broker.KeyFilter{}) {
		if err != nil {
			return err
		}
	}
	for _, err := range s.Entries(ctx, 0) {
		if err != nil {
			return err
		}
	}
	_, err = s.Enrolments(ctx)
	return err
}

func TestDamagedPages(t *testing.T) {
	t.Parallel()
	text := whole(t)
	for page := range len(text) / pageSize {
		damaged := append([]byte(nil), text...)
		for i := range 64 {
			damaged[page*pageSize+i] ^= 0xa5
		}
		path := newPath(t)
		must(t, os.WriteFile(path, damaged, 0o600))
		err := readWhole(t.Context(), path)
		if err == nil {
			t.Errorf("page %d of %d is overwritten, and nobody noticed", page, len(text)/pageSize)
			continue
		}
		explains(t, err, broker.Rejected, path, "restore a backup")
		after, err := os.ReadFile(path)
		must(t, err)
		if string(after) != string(damaged) {
			t.Errorf("page %d: reading a damaged file changed it", page)
		}
	}
}

func TestTruncated(t *testing.T) {
	t.Parallel()
	text := whole(t)
	for _, size := range []int{50, 100, 511, 512, pageSize, pageSize + 1, len(text) / 2, len(text) - pageSize, len(text) - 1} {
		path := newPath(t)
		must(t, os.WriteFile(path, text[:size], 0o600))
		if err := readWhole(t.Context(), path); err == nil {
			t.Errorf("cut to %d of %d bytes, and nobody noticed", size, len(text))
		} else {
			explains(t, err, broker.Rejected, path, "restore a backup")
		}
	}
}

// A row that the database finds nothing wrong with, and the broker did not write.
func TestDamagedRows(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		`UPDATE placements SET proof = substr(proof, 2) WHERE number = 1`,
		`UPDATE placements SET transport = '[]'`,
		`UPDATE key_versions SET material = ''`,
		`UPDATE key_versions SET created_at = 1 << 60`, // a year that no output can tell
	} {
		path := sample(t)
		change(t, path, statement)
		explains(t, readWhole(t.Context(), path), broker.Rejected, path, "a row is damaged", "restore a backup")
	}
}

// An entry whose text is another one with the same meaning would hash alike.
func TestEntryTextThatNobodyWrote(t *testing.T) {
	t.Parallel()
	for _, edit := range []string{
		`replace(entry, '{"seq"', '{ "seq"')`, `replace(entry, '"event"', '"EVENT"')`, `entry || ' '`,
		`replace(entry, '{"seq"', '{"more":1,"seq"')`, `replace(entry, 'import', 'im\u0070ort')`,
	} {
		path := sample(t)
		change(t, path, `DROP TRIGGER audit_update`, fmt.Sprintf(`UPDATE audit SET entry = %s WHERE seq = 7`, edit))
		explains(t, readWhole(t.Context(), path), broker.Tampered, "audit entry 7", "compare it with a backup")
	}
}

// FuzzOpen changes bytes of a database: whatever comes of it is an answer or an
// error of the broker, never a crash.
func FuzzOpen(f *testing.F) {
	text := whole(f)
	f.Add(uint32(18), []byte{9, 9})
	f.Add(uint32(pageSize), []byte{0, 0, 0, 0})
	f.Add(uint32(3*pageSize+3), []byte{0xff, 0xff})
	f.Add(uint32(len(text)-20), []byte("\x00{}"))
	f.Fuzz(func(t *testing.T, at uint32, with []byte) {
		damaged := append([]byte(nil), text...)
		copy(damaged[int(at)%len(damaged):], with)
		path := newPath(t)
		must(t, os.WriteFile(path, damaged, 0o600))
		if err := readWhole(t.Context(), path); err != nil {
			if _, ours := errors.AsType[*broker.Error](err); !ours {
				t.Errorf("%v: not an error of the broker", err)
			}
		}
	})
}
