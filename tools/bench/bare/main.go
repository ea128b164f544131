// Command bare makes the calls of an import on the same token, through the same session pool, and to the same cloud, through
// the same adapter and SDK options, as keyferry does, and nothing else: no store, no audit, no checks, nothing to go on from.
// It is what the broker's own cost is measured against.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

// ask is what it is told; see tools/bench.
type ask struct {
	Do                                    string `json:"do"`
	Keys, Workers, Bits                   int
	Spec, Prefix                          string
	Module, Label, Cache, Account, Region string
	URL                                   string
	PINFile                               string `json:"pin_file"`
	CAFile                                string `json:"ca_file"`
}

// told is what it answers.
type told struct {
	Seconds float64 `json:"seconds"` // of the keys alone, without start and end
}

func run(ctx context.Context) error {
	if len(os.Args) > 3 && os.Args[1] == "launch" {
		return launch(ctx, os.Args[2], os.Args[3:])
	}
	var a ask
	if len(os.Args) != 2 {
		return errors.New("one argument is asked for: what to do, as JSON")
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &a); err != nil {
		return fmt.Errorf("read what is asked: %w", err)
	}
	w, err := open(ctx, a)
	if err != nil {
		return err
	}
	defer w.close(ctx)
	do, ok := map[string]func(context.Context, int) error{
		"import": w.imported, "both": w.imported, "token": w.sealed, "kept": w.kept, "cloud": w.sent,
	}[a.Do]
	if !ok {
		return fmt.Errorf("%q cannot be done", a.Do)
	}
	begun := time.Now()
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(max(1, a.Workers))
	for i := range a.Keys {
		work.Go(func() error { return do(ctx, i) })
	}
	if err := work.Wait(); err != nil {
		return fmt.Errorf("%s: %w", a.Do, err)
	}
	return json.NewEncoder(os.Stdout).Encode(told{time.Since(begun).Seconds()}) //nolint:wrapcheck // it is the answer
}
