package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// controlName is the name that the throwaway key is marked with.
const controlName = "keyferry-negative-control"

// controlSpec is what the negative control is done with: the smallest key spec
// whose proof is a reimport.
func controlSpec(caps Capabilities) (KeySpec, bool) {
	for _, s := range KeySpecs() {
		for _, level := range caps.Specs[s].Proof {
			if level == ProofReimport {
				return s, true
			}
		}
	}
	return "", false
}

// control finds out whether an endpoint that is not genuinely the provider's
// refuses other material as existing: only then does it prove anything to import
// the same again. It fills a throwaway key with throwaway material, offers other
// material, and schedules the key for deletion. No material of a key is used.
func (b *Broker) control(ctx context.Context, setup TokenSetup, t Target) (map[string]string, error) {
	caps := t.Provider.Capabilities()
	spec, needed := controlSpec(caps)
	if t.Genuine || !needed {
		return map[string]string{}, nil
	}
	plans, err := setup.Token.Plans(ctx)
	if err != nil {
		return nil, fmt.Errorf("probe token %s: %w", setup.Name, err)
	}
	plan, err := choose(spec, caps, plans, Policy{})
	if errors.Is(err, Unsupported) {
		return map[string]string{FindingReimport: "not tested: the token cannot wrap " + string(spec) + " for it"}, nil
	}
	if err != nil {
		return nil, err
	}
	c := controlRun{b: b, setup: setup, target: t, plan: plan, effect: Effect{Operation: "negative-control", Target: t.Name, Step: StepControl}}
	finding, err := c.run(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{FindingReimport: finding}, nil
}

// controlRun is one negative control.
type controlRun struct {
	b      *Broker
	setup  TokenSetup
	target Target
	plan   Plan
	effect Effect
}

func (c controlRun) run(ctx context.Context) (finding string, err error) {
	if err := c.clear(ctx); err != nil { // what a killed run left
		return "", err
	}
	defer func() { err = errors.Join(err, c.clear(context.WithoutCancel(ctx))) }()
	key, err := c.prepare(ctx)
	if err != nil {
		return "", err
	}
	held, err := c.offer(ctx, 1, ImportIn{Key: key, Kind: ImportNew})
	if err != nil {
		return "", fmt.Errorf("import throwaway material: %w", err)
	}
	existing := ImportIn{Key: key, Kind: ImportExisting, Version: &held.Version}
	if _, err := c.offer(ctx, 1, existing); final(err) {
		return "it refuses the same material too: " + reasonOf(err), nil
	} else if err != nil {
		return "", fmt.Errorf("offer the same material: %w", err)
	}
	if _, err = c.offer(ctx, 2, existing); final(err) {
		return RefusesOther, nil
	} else if err != nil {
		return "", fmt.Errorf("offer other material: %w", err)
	}
	return "it accepts other material as existing", nil
}

// final reports whether an endpoint refused what it was offered, and will again.
func final(err error) bool {
	switch KindOf(err) {
	case Differs, Rejected, Conflict, Unsupported:
		return err != nil
	default:
		return false
	}
}

func (c controlRun) prepare(ctx context.Context) (KeyRef, error) {
	var made Prepared
	in := PrepareIn{
		Name: controlName, KeyID: c.keyID(), Number: 1, Spec: c.plan.Spec,
		Purpose: c.plan.Spec.Purposes()[0], Mode: NewKey,
	}
	err := again(ctx, func() (err error) { made, err = c.target.Provider.Prepare(ctx, c.effect, in); return err })
	if err != nil {
		return KeyRef{}, fmt.Errorf("make a throwaway key: %w", err)
	}
	return made.Key, nil
}

// keyID names the throwaway material in the token: one pair of objects a target.
func (c controlRun) keyID() string {
	sum := sha256.Sum256([]byte("negative control\x00" + c.target.Name))
	return hex.EncodeToString(sum[:16])
}

// offer imports throwaway material number n.
func (c controlRun) offer(ctx context.Context, n int, in ImportIn) (Imported, error) {
	m, err := c.setup.Token.Generate(ctx, GenerateIn{
		ID: NewMaterialID(c.keyID(), n), Label: "keyferry negative control", Spec: c.plan.Spec, MayExist: true,
	})
	if err != nil {
		return Imported{}, fmt.Errorf("generate throwaway material: %w", err)
	}
	var key WrappingKey
	err = again(ctx, func() (err error) {
		key, err = c.target.Provider.WrappingKey(ctx, c.effect, WrappingKeyIn{Key: in.Key, Mechanism: c.plan.Mechanism})
		return err
	})
	if err != nil {
		return Imported{}, fmt.Errorf("fetch wrapping key: %w", err)
	}
	checked, err := CheckWrappingKey(key, c.plan, c.target.WrappingKey, c.b.o.Now())
	if err != nil {
		return Imported{}, fmt.Errorf("wrapping key of the negative control: %w", err)
	}
	in.Spec, in.Mechanism, in.Token = c.plan.Spec, c.plan.Mechanism, key.Token
	if in.Wrapped, err = c.setup.Token.Wrap(ctx, m, checked); err != nil {
		return Imported{}, fmt.Errorf("wrap throwaway material: %w", err)
	}
	var done Imported
	err = again(ctx, func() (err error) { done, err = c.target.Provider.Import(ctx, c.effect, in); return err })
	return done, err
}

// clear schedules what carries the control's mark, and is nothing else, for
// deletion, and destroys its material in the token. A mark only nominates: a key
// that is on record, or not as the control makes it, is left alone.
func (c controlRun) clear(ctx context.Context) error {
	seen, err := look(ctx, c.target, Query{Effect: c.effect.ID()})
	if err != nil {
		return err
	}
	known, err := c.b.recordedAt(ctx, c.target)
	if err != nil {
		return err
	}
	for _, o := range seen {
		ours := o.Name == controlName && o.Origin == OriginExternal && o.Spec == c.plan.Spec && !known.keys[o.Version.Key.ID]
		if !ours || o.State == RemoteScheduled || o.State == RemoteDestroyed {
			continue
		}
		if _, err := scheduleDeletion(ctx, c.target, c.effect, o.Version, deletion{c.window(), eventually}); err != nil {
			return fmt.Errorf("schedule the throwaway key for deletion: %w", err)
		}
	}
	for n := 1; n <= 2; n++ {
		m := Material{ID: NewMaterialID(c.keyID(), n), Spec: c.plan.Spec}
		if err := c.setup.Token.Change(ctx, m, Destroy); err != nil {
			return fmt.Errorf("destroy throwaway material: %w", err)
		}
	}
	return nil
}

func (c controlRun) window() time.Duration { return c.target.Provider.Capabilities().Deletion.Min }
