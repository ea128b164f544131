package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

// provider is a cloud that this program can speak to.
type provider struct {
	name  string // in commands and in the config
	title string // for people
	open  func(ctx context.Context, a asked) (openTarget, error)
	// policy is the least permissions there, in the provider's own form: of who
	// imports, or of who asks for proofs.
	policy func(a asked, proof bool) (any, error)
	flags  []cli.Flag // of its import, besides those that all have
}

// asked is a target as the config has it, with what an adapter needs besides.
type asked struct {
	config.Target
	config *config.Config // that the target is in
	files  targetFiles    // empty where it is not opened
	pace   paces          // nil where it is not opened
	now    func() time.Time
}

// openTarget is a target that can be spoken to.
type openTarget struct {
	provider broker.Provider
	genuine  bool // the endpoint is the provider's own
	close    func()
}

// shipped is every provider there is.
func shipped() []provider {
	return []provider{
		aws(),
		gcp(),
		azure(),
	}
}
