package main

import (
	"context"
	"fmt"
	"iter"

	"github.com/keyferry/keyferry/broker"
)

// imported is every call of an import, in keyferry's order.
func (w *works) imported(ctx context.Context, i int) error {
	m, err := w.generated(ctx, i, false)
	if err != nil {
		return err
	}
	return w.carry(ctx, i, func(k broker.WrappingKey) ([]byte, error) {
		checked, err := w.checked(k)
		if err != nil {
			return nil, err
		}
		return w.token.Wrap(ctx, m, checked)
	})
}

// sent is the cloud's part of it alone. It knows no proof by importing again: other material would be refused.
func (w *works) sent(ctx context.Context, i int) error {
	return w.carry(ctx, i, w.onHost)
}

// carry brings what wrap makes to the cloud.
func (w *works) carry(ctx context.Context, i int, wrap func(broker.WrappingKey) ([]byte, error)) error {
	name := fmt.Sprintf("%s/key-%d", w.Prefix, i)
	alias := "alias/" + name
	effect := func(step broker.Step) broker.Effect {
		return broker.Effect{Operation: name, Target: "aws", Step: step}
	}
	if err := drain(w.cloud.Look(ctx, broker.Query{Consumer: alias})); err != nil {
		return err
	}
	made, err := w.cloud.Prepare(ctx, effect(broker.StepPrepare), broker.PrepareIn{
		Name: name, KeyID: name, Number: 1, Spec: broker.KeySpec(w.Spec), Purpose: broker.Encrypt, Mode: broker.NewKey, At: now(),
	})
	if err != nil {
		return err
	}
	done, err := w.transfer(ctx, effect(broker.StepImport), broker.ImportIn{Key: made.Key, Kind: broker.ImportNew, Spec: broker.KeySpec(w.Spec)}, wrap)
	if err != nil {
		return err
	}
	v := done.Version
	if err := drain(w.cloud.Look(ctx, broker.Query{Version: &v})); err != nil {
		return err
	}
	if w.proving && w.Do == "import" {
		again := broker.ImportIn{Key: made.Key, Kind: broker.ImportExisting, Version: &v, Spec: broker.KeySpec(w.Spec)}
		if _, err := w.transfer(ctx, effect(broker.StepReimport), again, wrap); err != nil {
			return err
		}
	}
	return w.activate(ctx, effect(broker.StepActivate), v, alias)
}

// transfer is fetch, wrap, import.
func (w *works) transfer(ctx context.Context, e broker.Effect, in broker.ImportIn, wrap func(broker.WrappingKey) ([]byte, error)) (broker.Imported, error) {
	if err := drain(w.cloud.Look(ctx, broker.Query{Key: &in.Key})); err != nil {
		return broker.Imported{}, err
	}
	k, err := w.cloud.WrappingKey(ctx, e, broker.WrappingKeyIn{Key: in.Key, Mechanism: w.plan.Mechanism})
	if err != nil {
		return broker.Imported{}, err
	}
	in.Mechanism, in.Token = w.plan.Mechanism, k.Token
	if in.Wrapped, err = wrap(k); err != nil {
		return broker.Imported{}, err
	}
	return w.cloud.Import(ctx, e, in)
}

// activate lets the alias lead to the key, and asks by what consumers use.
func (w *works) activate(ctx context.Context, e broker.Effect, v broker.VersionRef, alias string) error {
	if err := drain(w.cloud.Look(ctx, broker.Query{Consumer: alias})); err != nil {
		return err
	}
	if _, err := w.cloud.Do(ctx, e, v, broker.Action{Kind: broker.Activate, Consumer: alias}); err != nil {
		return err
	}
	if err := drain(w.cloud.Look(ctx, broker.Query{Consumer: alias})); err != nil {
		return err
	}
	v.Via = alias
	c, err := broker.NewChallenge(broker.ChallengeSubject{
		Effect: e.ID(), Provider: "aws", Account: w.Account, Ref: v, Level: broker.ProofReimport, Spec: broker.KeySpec(w.Spec), Purpose: broker.Encrypt,
	}, now())
	if err != nil {
		return err
	}
	_, err = w.cloud.Prove(ctx, v, c)
	return err
}

func drain(seen iter.Seq2[broker.Observation, error]) error {
	for _, err := range seen {
		if err != nil {
			return err
		}
	}
	return nil
}
