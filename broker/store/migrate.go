package store

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/keyferry/keyferry/broker"
)

// upgrade brings the schema up to date. It costs two small reads where it is.
func (s *Store) upgrade(ctx context.Context, readOnly bool) error {
	known, err := latest()
	if err != nil {
		return err
	}
	have, err := s.schema(ctx)
	switch {
	case err != nil:
		return err
	case have > known:
		return s.unusable(
			fmt.Errorf("it was written by a newer keyferry: schema %d, this one knows %d", have, known),
			"use the newer keyferry, or restore a backup from before it ran")
	case have == known:
		return nil
	case readOnly:
		return s.unusable(
			fmt.Errorf("its schema is %d, this keyferry needs %d", have, known),
			"open it once without read-only to upgrade it")
	default:
		return s.migrate(ctx)
	}
}

// schema is the number of the last migration.
func (s *Store) schema(ctx context.Context) (int64, error) {
	var app, version int64
	if err := s.read.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&app); err != nil {
		return 0, s.explained(ctx, "open database", err)
	}
	if app != applicationID {
		return 0, s.unusable(fmt.Errorf("it is a database, but not keyferry's"), "check the path")
	}
	err := s.read.QueryRowContext(ctx, `SELECT MAX(version_id) FROM goose_db_version WHERE is_applied`).Scan(&version)
	return version, s.explained(ctx, "read schema version of", err)
}

// migrate runs what is missing. Where another process was faster the outcome
// counts, not who did it.
func (s *Store) migrate(ctx context.Context) error {
	err := s.up(ctx)
	if err == nil {
		return nil
	}
	known, _ := latest()
	if have, readErr := s.schema(ctx); readErr == nil && have == known {
		return nil
	}
	return s.explained(ctx, "upgrade schema of", err)
}

func (s *Store) up(ctx context.Context) error {
	dir, err := fs.Sub(migrations, migrationsDir)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, s.write, dir,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// latest is the number of the newest migration this program has.
func latest() (int64, error) {
	files, err := migrations.ReadDir(migrationsDir) // sorted by name
	if err != nil {
		return 0, err
	}
	number, _, _ := strings.Cut(files[len(files)-1].Name(), "_")
	return strconv.ParseInt(number, 10, 64)
}

// unusable is a file that this program must not touch.
func (s *Store) unusable(cause error, hint string) error {
	return &broker.Error{Kind: broker.Rejected, Op: "open database", Object: s.path, Cause: cause, Hint: hint}
}
