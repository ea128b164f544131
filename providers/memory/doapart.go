package memory

import (
	"cmp"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// doApart acts on a version that has a state of its own.
func (p *Provider) doApart(k *key, ref broker.VersionRef, a broker.Action) error {
	v := k.version(ref.ID)
	if v == nil && ref.ID != "" {
		return fmt.Errorf("no such version: %w", broker.NotFound)
	}
	switch a.Kind {
	case broker.Schedule, broker.Cancel:
		return p.destroyApart(k, ref, a)
	case broker.Activate, broker.Deactivate:
		if k.given() != broker.GivenPrimary {
			return fmt.Errorf("consumers are given the %s version: %w", k.given(), broker.Unsupported)
		}
	case broker.Disable, broker.Enable:
	case broker.SetEnd:
		if !p.c.Capabilities.ValidTo.Moves {
			return fmt.Errorf("its end cannot be moved: %w", broker.Unsupported)
		}
	default:
		return fmt.Errorf("no such action: %w", broker.Unsupported)
	}
	if s := k.state(v); s != broker.RemoteEnabled && s != broker.RemoteDisabled {
		return fmt.Errorf("the version is %s: %w", s, broker.Conflict)
	}
	switch a.Kind {
	case broker.Activate:
		return k.setPrimary(v, a)
	case broker.Deactivate:
		return k.resetPrimary(v, a)
	case broker.SetEnd:
		return p.setEnd(v, a.ValidTo)
	default:
		v.disabled = a.Kind == broker.Disable
		return nil
	}
}

func (p *Provider) setEnd(v *version, end time.Time) error {
	if err := p.checkValidTo(end); err != nil {
		return err
	}
	v.validTo = end
	return nil
}

// setPrimary makes a version the one that consumers of the key get.
func (k *key) setPrimary(v *version, a broker.Action) error {
	held := ""
	if k.current != nil {
		held = k.current.id
	}
	switch {
	case a.Consumer != "" && a.Consumer != k.ref.ID:
		return fmt.Errorf("%q is not how consumers use the key: %w", a.Consumer, broker.Rejected)
	case held != a.Expect:
		return fmt.Errorf("the primary is %q, not %q: %w", held, a.Expect, broker.Conflict)
	case k.state(v) != broker.RemoteEnabled:
		return fmt.Errorf("the version is %s: %w", k.state(v), broker.Conflict)
	}
	k.current = v
	return nil
}

// resetPrimary gives consumers the version before; there is no way to give them none.
func (k *key) resetPrimary(v *version, a broker.Action) error {
	before := k.version(a.Expect)
	switch {
	case k.current != v:
		return fmt.Errorf("it is not the primary: %w", broker.Conflict)
	case a.Expect == "" || a.Expect == v.id:
		return fmt.Errorf("a key that had a primary keeps one: %w", broker.Unsupported)
	case before == nil:
		return fmt.Errorf("no version %s: %w", a.Expect, broker.NotFound)
	}
	return k.setPrimary(before, broker.Action{Consumer: a.Consumer, Expect: v.id})
}

// destroyApart schedules or cancels the deletion of one version, or of all, where the
// key stays; else of the whole key.
func (p *Provider) destroyApart(k *key, ref broker.VersionRef, a broker.Action) error {
	scheduled := k.state(nil) == broker.RemoteScheduled
	switch stays := p.c.Capabilities.Deletion.KeysStay; {
	case stays:
		return p.destroyVersions(k, ref.ID, a)
	case ref.ID != "":
		return fmt.Errorf("only whole keys are deleted: %w", broker.Unsupported)
	case scheduled != (a.Kind == broker.Cancel):
		return fmt.Errorf("the key is %s: %w", k.state(nil), broker.Conflict)
	case scheduled:
		k.deletionAt = time.Time{}
		return nil
	default:
		return p.schedule(k, a.Window)
	}
}

// destroyVersions: the waiting period is the key's own, and no other can be had.
func (p *Provider) destroyVersions(k *key, id string, a broker.Action) error {
	window, done := cmp.Or(k.in.Window, p.c.Capabilities.Deletion.Default), 0
	if a.Window != 0 && a.Window != window {
		return fmt.Errorf("its waiting period is %s, and cannot be %s: %w", window, a.Window, broker.Rejected)
	}
	at := p.c.Now().UTC().Add(window)
	for _, v := range k.versions {
		if id != "" && v.id != id {
			continue
		}
		switch s := v.state(); {
		case a.Kind == broker.Cancel && s == broker.RemoteScheduled:
			v.deletionAt, v.disabled = time.Time{}, true
			done++
		case a.Kind == broker.Schedule && (s == broker.RemoteEnabled || s == broker.RemoteDisabled):
			v.deletionAt = at
			done++
		}
	}
	if done == 0 {
		return fmt.Errorf("no version of it is in a state to %s: %w", a.Kind, broker.Conflict)
	}
	return nil
}
