package store

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/keyferry/keyferry/broker"
)

// Info is what a database says of itself.
type Info struct {
	Path       string `json:"path"`
	Schema     int64  `json:"schema"` // number of its last migration
	Keys       int    `json:"keys"`
	Versions   int    `json:"versions"`
	Placements int    `json:"placements"`
	Operations int    `json:"operations"`
	Entries    int    `json:"entries"` // of the audit
	Heads      int    `json:"heads"`
	Size       int64  `json:"size"` // bytes on disk, with the files beside it
}

// Info counts what is there.
func (s *Store) Info(ctx context.Context) (Info, error) {
	version, err := s.schema(ctx)
	if err != nil {
		return Info{}, err
	}
	i := Info{Path: s.path, Schema: version}
	err = s.read.QueryRowContext(ctx, `SELECT
		(SELECT COUNT(*) FROM keys), (SELECT COUNT(*) FROM key_versions), (SELECT COUNT(*) FROM placements),
		(SELECT COUNT(*) FROM operations), (SELECT COUNT(*) FROM audit), (SELECT COUNT(*) FROM heads)`).
		Scan(&i.Keys, &i.Versions, &i.Placements, &i.Operations, &i.Entries, &i.Heads)
	if err != nil {
		return Info{}, s.explained(ctx, "read", err)
	}
	for _, path := range append(sidecars(s.path), s.path) {
		if info, err := os.Lstat(path); err == nil {
			i.Size += info.Size()
		}
	}
	return i, nil
}

// Check reads the whole file for damage: Rejected when it finds some. It takes as
// long as reading the file does, so opening leaves it out.
func (s *Store) Check(ctx context.Context) error {
	var found string
	if err := s.read.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found); err != nil {
		return s.explained(ctx, "check", err)
	}
	if found == "ok" {
		var err error
		if found, err = s.cut(ctx); err != nil {
			return s.explained(ctx, "check", err)
		}
	}
	if found == "ok" {
		return nil
	}
	return &broker.Error{
		Kind: broker.Rejected, Op: "check", Object: s.path, Cause: fmt.Errorf("it is damaged: %s", found),
		Hint: damagedHint,
	}
}

// cut says that the file ends within a page: SQLite reads zeros for what is missing.
func (s *Store) cut(ctx context.Context) (string, error) {
	var page int64
	if err := s.read.QueryRowContext(ctx, `PRAGMA page_size`).Scan(&page); err != nil {
		return "", err
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return "", err
	}
	if info.Size()%page != 0 {
		return fmt.Sprintf("it ends within a page, at byte %d", info.Size()), nil
	}
	return "ok", nil
}

// Backup writes a copy of one moment to a new file of mode 0600, while others go
// on writing, and reads it back whole before it is there. Conflict when something
// is at path.
func (s *Store) Backup(ctx context.Context, path string) error {
	const op = "back up to"
	return newFile(op, path, func(temp string) error {
		if _, err := s.read.ExecContext(ctx, `VACUUM INTO ?`, temp); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return failed(op, path, err)
		}
		return verify(ctx, temp)
	})
}

// verify holds that a copy opens and is whole.
func verify(ctx context.Context, path string) error {
	s, err := Open(ctx, Options{Path: path, ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(s.Check(ctx), s.Close())
}
