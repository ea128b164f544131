package store_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
)

// childEnv makes the test program play a role instead of testing.
const childEnv = "KEYFERRY_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	if err := roles()[os.Args[1]](os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
}

// roles are what a child process does to the database at a path.
func roles() map[string]func(path string) error {
	return map[string]func(string) error{
		"write-lock":     func(path string) error { return hold(path, `BEGIN IMMEDIATE`) },
		"exclusive-lock": func(path string) error { return hold(path, `PRAGMA locking_mode = EXCLUSIVE`, `BEGIN EXCLUSIVE`) },
		"write":          writeForEver,
		"create":         createForEver,
		"lease":          leaseAndWait,
	}
}

// hold runs statements, says so, and holds the locks until its input ends.
func hold(path string, statements ...string) error {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := conn.ExecContext(context.Background(), statement); err != nil {
			return err
		}
	}
	return waitAsTold()
}

func waitAsTold() error {
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// writeForEver applies changes and prints the number of each that was answered.
func writeForEver(path string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Path: path})
	if err != nil {
		return err
	}
	info, err := s.Info(ctx)
	if err != nil {
		return err
	}
	for n := info.Keys; ; n++ {
		c := numbered(n)
		c.Soft = n%2 == 0 // the end of a process takes back neither
		head, err := s.Apply(ctx, c)
		if err != nil {
			return err
		}
		fmt.Println(head.Seq, head.Hash)
	}
}

// createForEver makes databases beside each other.
func createForEver(path string) error {
	for n := 0; ; n++ {
		s, err := store.Create(context.Background(), store.Options{Path: fmt.Sprintf("%s-%d", path, n)})
		if err != nil {
			return err
		}
		fmt.Println(n)
		if err := s.Close(); err != nil {
			return err
		}
	}
}

func leaseAndWait(path string) error {
	s, err := store.Open(context.Background(), store.Options{Path: path})
	if err != nil {
		return err
	}
	if err := s.Lease(context.Background(), leaseFor(fmt.Sprint(os.Getpid()))); err != nil {
		return err
	}
	return waitAsTold()
}

func leaseFor(holder string) broker.Lease {
	return broker.Lease{Name: "key/a", Holder: holder, Now: noon(), Until: noon().Add(1e12)}
}

func sum(text []byte) []byte {
	s := sha256.Sum256(text)
	return s[:8]
}
