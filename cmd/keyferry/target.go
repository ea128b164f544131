package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

// openTargets prepares every configured target; none is spoken to. One that cannot be
// opened says so when it is used, and is in nobody's way. close gives their connections
// back.
func (p *program) openTargets(ctx context.Context, c *config.Config) (targets []broker.Target, closeAll func()) {
	var closers []func()
	closeAll = func() {
		for _, f := range closers {
			f()
		}
	}
	pace := p.newPaces(c)
	for _, t := range c.Targets {
		target, done, err := p.openTarget(ctx, asked{Target: t, config: c, pace: pace, now: p.now})
		if err != nil {
			targets = append(targets, p.shutTarget(t, err))
			continue
		}
		closers = append(closers, done)
		targets = append(targets, target)
	}
	return targets, closeAll
}

// shutTarget is one that cannot be opened. It is pinned as far as tells whether another
// is the same place.
func (p *program) shutTarget(t config.Target, why error) broker.Target {
	title := t.Provider
	for _, known := range p.providers {
		if known.name == t.Provider {
			title = known.title
		}
	}
	pins := map[string]string{broker.PinAccount: accountOf(t), broker.PinEndpoint: t.Endpoint}
	return brokerTarget(t, openTarget{provider: broker.Shut(t.Provider, title, why)}, pins)
}

// openTarget reads a target's files once: what is used is what is held against the
// enrolment.
func (p *program) openTarget(ctx context.Context, a asked) (_ broker.Target, done func(), err error) {
	t := a.Target
	if a.files, err = readFiles(t, public, secret, renewed); err != nil {
		return broker.Target{}, nil, err
	}
	pins, err := targetPins(t, a.files)
	if err != nil {
		return broker.Target{}, nil, err
	}
	for _, known := range p.providers {
		if known.name != t.Provider {
			continue
		}
		o, err := known.open(ctx, a)
		if err != nil {
			return broker.Target{}, nil, err
		}
		if o.close == nil {
			o.close = func() {}
		}
		return brokerTarget(t, o, pins), o.close, nil
	}
	return broker.Target{}, nil, notShipped(t.Provider)
}

func notShipped(provider string) error {
	return misuse("provider %q is not part of this program", provider)
}

func brokerTarget(t config.Target, o openTarget, pins map[string]string) broker.Target {
	return broker.Target{
		Name: t.Name, Provider: o.provider, Environment: t.Environment, Pins: pins, Genuine: o.genuine,
		WrappingKey: broker.WrappingKeyPolicy{MinBits: wrappingBits(t), Attestation: t.Attestation == "required"},
		Consumer:    keyNameOf(t), Window: time.Duration(t.DeletionWindow), Place: placeOf(t), QuotaPlace: t.QuotaPlace(), ReplicaOf: t.ReplicaOf,
	}
}

// wrappingBits is the size of wrapping key that a target asks for and accepts.
func wrappingBits(t config.Target) int {
	bits, err := strconv.Atoi(strings.TrimPrefix(t.WrappingKey, "rsa-"))
	if err != nil {
		return 4096
	}
	return bits
}

// targetPins is what a target's enrolment holds the config to: every field but those
// that say nothing of where material goes, public files by what is in them, and under
// one name whose it is.
func targetPins(t config.Target, files targetFiles) (map[string]string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("read target %s: %w", t.Name, err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("read target %s: %w", t.Name, err)
	}
	delete(fields, "name")
	delete(fields, "quotas") // how fast
	pins := map[string]string{}
	for name, value := range fields {
		pins[name] = fmt.Sprint(value)
	}
	for _, f := range filesOf(t) {
		if f.kind == public {
			sum := sha256.Sum256(files[f.field])
			pins[f.field] = "sha256:" + hex.EncodeToString(sum[:])
		}
	}
	pins[broker.PinAccount] = accountOf(t)
	return pins, nil
}

// pinsNow are the pins of a target that is not opened.
func pinsNow(t config.Target) (map[string]string, error) {
	files, err := readFiles(t, public)
	if err != nil {
		return nil, err
	}
	return targetPins(t, files)
}
