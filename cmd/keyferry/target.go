package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

// openTargets prepares every configured target; none is spoken to. close gives
// their connections back.
func (p *program) openTargets(ctx context.Context, c *config.Config) (targets []broker.Target, closeAll func(), err error) {
	var closers []func()
	closeAll = func() {
		for _, f := range closers {
			f()
		}
	}
	for _, t := range c.Targets {
		opened, err := p.openTarget(ctx, t)
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("open target %s: %w", t.Name, err)
		}
		if opened.close != nil {
			closers = append(closers, opened.close)
		}
		target, err := brokerTarget(t, opened)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		targets = append(targets, target)
	}
	return targets, closeAll, nil
}

func (p *program) openTarget(ctx context.Context, t config.Target) (openTarget, error) {
	for _, known := range p.providers {
		if known.name == t.Provider {
			return known.open(ctx, t, p.now)
		}
	}
	return openTarget{}, misuse("provider %q is not part of this program", t.Provider)
}

func brokerTarget(t config.Target, o openTarget) (broker.Target, error) {
	pins, err := targetPins(t)
	if err != nil {
		return broker.Target{}, err
	}
	return broker.Target{
		Name: t.Name, Provider: o.provider, Environment: t.Environment, Pins: pins, Genuine: o.genuine,
		WrappingKey: broker.WrappingKeyPolicy{MinBits: wrappingBits(t)},
		Consumer:    t.Consumer, Window: time.Duration(t.DeletionWindow),
	}, nil
}

// wrappingBits is the size of wrapping key that a target asks for and accepts.
func wrappingBits(t config.Target) int {
	bits, err := strconv.Atoi(strings.TrimPrefix(t.WrappingKey, "rsa-"))
	if err != nil {
		return 4096
	}
	return bits
}

// targetPins is what a target's enrolment holds the config to: every field, and
// files by what is in them.
func targetPins(t config.Target) (map[string]string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("read target %s: %w", t.Name, err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("read target %s: %w", t.Name, err)
	}
	delete(fields, "name")
	pins := map[string]string{}
	for name, value := range fields {
		pins[name] = fmt.Sprint(value)
	}
	for name, path := range filesOf(t) {
		if pins[name], err = digestOf(path); err != nil {
			return nil, fmt.Errorf("read %s of target %s: %w", name, t.Name, err)
		}
	}
	return pins, nil
}

// filesOf a target, by the field that names them.
func filesOf(t config.Target) map[string]config.Path {
	files := map[string]config.Path{}
	if t.CAFile != "" {
		files["ca_file"] = t.CAFile
	}
	if t.KeyPolicy != nil && t.KeyPolicy.File != "" {
		files["key_policy"] = t.KeyPolicy.File
	}
	return files
}

// digestOf is the SHA-256 of what is in a file.
func digestOf(path config.Path) (string, error) {
	text, err := os.ReadFile(string(path))
	if err != nil {
		return "", &broker.Error{Kind: broker.Misuse, Op: "read", Object: string(path), Cause: err, Hint: "check the path in the config"}
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}
