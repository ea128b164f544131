package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/user"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
	"github.com/keyferry/keyferry/broker/store"
)

// session is what a command works on.
type session struct {
	*call
	config *config.Config
	store  *store.Store
	token  broker.Token   // nil where only the store is read
	broker *broker.Broker // nil where only the store is read
}

// loadConfig finds and reads the config, and checks the flags that every command
// has, before anything else happens.
func (c *call) loadConfig() (*config.Config, error) {
	if err := c.checkOutput(); err != nil {
		return nil, err
	}
	path, err := config.Find(c.String("config"), c.p.getenv)
	if err != nil {
		return nil, err
	}
	return config.Load(path)
}

// reading runs f on the store alone, which is not written.
func (c *call) reading(ctx context.Context, f func(*session) error) error {
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	return c.withStore(ctx, store.Options{Path: string(cfg.Store), ReadOnly: true}, func(st *store.Store) error {
		return f(&session{call: c, config: cfg, store: st})
	})
}

// working runs f on store, token and targets.
func (c *call) working(ctx context.Context, f func(*session) error) error {
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	targets, closeTargets := c.p.openTargets(ctx, cfg)
	defer closeTargets()
	return c.withStore(ctx, store.Options{Path: string(cfg.Store)}, func(st *store.Store) error {
		return c.withToken(ctx, cfg, func(token broker.Token) error {
			b, err := broker.New(c.options(cfg, st, token, targets))
			if err != nil {
				return err
			}
			return f(&session{call: c, config: cfg, store: st, token: token, broker: b})
		})
	})
}

// sayOlder says beside what is read that the store is older than the token remembers.
// Only what has the token open can tell; what reads the store alone opens none for it.
func (s *session) sayOlder(ctx context.Context) {
	if err := s.broker.OlderStore(ctx); err != nil {
		s.p.say("what is on record is old: %s; %s", whatHappened(err), hintFor(err, ""))
	}
}

func (c *call) options(cfg *config.Config, st *store.Store, token broker.Token, targets []broker.Target) broker.Options {
	return broker.Options{
		Store: st, Targets: targets, Policies: policies(cfg), Now: c.p.now, Log: c.log(),
		Token: &broker.TokenSetup{
			Name: cfg.Token.Name, Token: token, Environment: cfg.Token.Environment, Pins: tokenPins(cfg.Token),
		},
		Actor: actor(), Holder: newHolder(), Stale: stale,
	}
}

func (c *call) withStore(ctx context.Context, o store.Options, f func(*store.Store) error) (err error) {
	st, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = also(err, st.Close()) }()
	return f(st)
}

func (c *call) withToken(ctx context.Context, cfg *config.Config, f func(broker.Token) error) error {
	return c.opened(ctx, tokenOptions{Token: cfg.Token, pin: c.p.pinSource(cfg.Token), log: c.log()}, f)
}

// asOfficer runs f on the token alone, with its security officer logged in.
func (c *call) asOfficer(ctx context.Context, f func(*session, broker.Officer) error) error {
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	return c.opened(ctx, tokenOptions{Token: cfg.Token, pin: c.p.pinSource(officersPIN(cfg.Token)), officer: true, log: c.log()}, func(token broker.Token) error {
		officer, ok := token.(broker.Officer)
		if !ok {
			return &broker.Error{Kind: broker.Unsupported, Op: "log in to", Object: "token " + cfg.Token.Name, Cause: errors.New("it knows no security officer")}
		}
		return f(&session{call: c, config: cfg, token: token}, officer)
	})
}

func (c *call) opened(ctx context.Context, o tokenOptions, f func(broker.Token) error) (err error) {
	if err := c.p.mayHoldPIN(o.Environment); err != nil {
		return err
	}
	token, release, err := c.p.openToken(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = also(err, release(context.WithoutCancel(ctx))) }()
	return f(token)
}

// also keeps the first error as it is: what fails while closing after it is not
// what a person needs to read.
func also(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// log writes to stderr: warnings, or everything with --verbose.
func (c *call) log() *slog.Logger {
	level := slog.LevelWarn
	if c.Bool("verbose") {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(talk{c.p}, &slog.HandlerOptions{Level: level}))
}

func policies(cfg *config.Config) []broker.Policy {
	var out []broker.Policy
	for _, p := range cfg.Policies {
		out = append(out, broker.Policy{
			Name: p.Name, Spec: p.Spec, Purpose: p.Purpose, Targets: p.Targets, Retain: p.Retain,
			AllowNonconforming: p.AllowNonconforming, WrapWithTrusted: p.WrapWithTrusted, AllowSoftware: p.AllowSoftware, Mechanisms: p.Mechanisms, Algorithms: p.Algorithms,
			Window: p.DeletionWindow.Std(), ValidFor: p.ValidFor.Std(), ValidAfter: p.ValidAfter.Std(),
			NoActivate: p.Activate != nil && !*p.Activate, Owner: p.Owner, Tags: p.Tags,
		})
	}
	return out
}

// actor is who runs this, for the audit.
func actor() broker.Actor {
	a := broker.Actor{PID: os.Getpid()}
	if u, err := user.Current(); err == nil {
		a.User = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		a.Host = host
	}
	return a
}
