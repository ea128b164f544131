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
		target, done, err := p.openTarget(ctx, t)
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("open target %s: %w", t.Name, err)
		}
		closers = append(closers, done)
		targets = append(targets, target)
	}
	return targets, closeAll, nil
}

// openTarget reads a target's files once: what is used is what is held against the
// enrolment.
func (p *program) openTarget(ctx context.Context, t config.Target) (broker.Target, func(), error) {
	files, err := readFiles(t)
	if err != nil {
		return broker.Target{}, nil, err
	}
	pins, err := targetPins(t, files)
	if err != nil {
		return broker.Target{}, nil, err
	}
	for _, known := range p.providers {
		if known.name != t.Provider {
			continue
		}
		o, err := known.open(ctx, t, files, p.now)
		if err != nil {
			return broker.Target{}, nil, err
		}
		if o.close == nil {
			o.close = func() {}
		}
		return brokerTarget(t, o, pins), o.close, nil
	}
	return broker.Target{}, nil, misuse("provider %q is not part of this program", t.Provider)
}

func brokerTarget(t config.Target, o openTarget, pins map[string]string) broker.Target {
	return broker.Target{
		Name: t.Name, Provider: o.provider, Environment: t.Environment, Pins: pins, Genuine: o.genuine,
		WrappingKey: broker.WrappingKeyPolicy{MinBits: wrappingBits(t)},
		Consumer:    t.Consumer, Window: time.Duration(t.DeletionWindow),
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

// targetPins is what a target's enrolment holds the config to: every field, and
// files by what is in them.
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
	pins := map[string]string{}
	for name, value := range fields {
		pins[name] = fmt.Sprint(value)
	}
	for name, text := range files {
		sum := sha256.Sum256(text)
		pins[name] = "sha256:" + hex.EncodeToString(sum[:])
	}
	return pins, nil
}

// pinsNow are the pins of a target that is not opened.
func pinsNow(t config.Target) (map[string]string, error) {
	files, err := readFiles(t)
	if err != nil {
		return nil, err
	}
	return targetPins(t, files)
}

// The fields of a target that name a file.
const (
	caField     = "ca_file"
	policyField = "key_policy"
)

// targetFiles are the texts of a target's files, by the field that names them.
type targetFiles map[string][]byte

// maxTargetFile is the most a file of a target may have, in bytes; a key policy has
// at most 32 KiB.
const maxTargetFile = 1 << 20

func readFiles(t config.Target) (targetFiles, error) {
	paths := map[string]config.Path{}
	if t.CAFile != "" {
		paths[caField] = t.CAFile
	}
	if t.KeyPolicy != nil && t.KeyPolicy.File != "" {
		paths[policyField] = t.KeyPolicy.File
	}
	files := targetFiles{}
	for name, path := range paths {
		text, err := readFile(string(path))
		if err != nil {
			return nil, &broker.Error{
				Kind: broker.Misuse, Op: "read " + name + " of target", Object: t.Name, Cause: err, Hint: "check the path in the config",
			}
		}
		files[name] = text
	}
	return files, nil
}

// readFile reads a regular file: a pipe could say something else to each reader.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxTargetFile {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", path, maxTargetFile)
	}
	return os.ReadFile(path) //nolint:gosec // the config says which file, and its owner wrote it
}
