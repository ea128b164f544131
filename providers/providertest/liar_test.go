package providertest_test

import (
	"context"
	"iter"

	"github.com/keyferry/keyferry/broker"
)

// liar is a provider that breaks a promise: what is not nil stands in for its method.
type liar struct {
	broker.Provider
	capabilities func(broker.Capabilities) broker.Capabilities
	identify     func(broker.Identity, error) (broker.Identity, error)
	prepare      func(context.Context, broker.Effect, broker.PrepareIn) (broker.Prepared, error)
	wrapping     func(context.Context, broker.Effect, broker.WrappingKeyIn) (broker.WrappingKey, error)
	imports      func(context.Context, broker.Effect, broker.ImportIn) (broker.Imported, error)
	do           func(context.Context, broker.Effect, broker.VersionRef, broker.Action) (broker.Receipt, error)
	prove        func(context.Context, broker.VersionRef, broker.Challenge) (broker.Answer, error)
	look         func(context.Context, broker.Query) iter.Seq2[broker.Observation, error]
}

func (l *liar) Capabilities() broker.Capabilities {
	if l.capabilities != nil {
		return l.capabilities(l.Provider.Capabilities())
	}
	return l.Provider.Capabilities()
}

func (l *liar) Identify(ctx context.Context) (broker.Identity, error) {
	id, err := l.Provider.(broker.Identifier).Identify(ctx)
	if l.identify != nil {
		return l.identify(id, err)
	}
	return id, err
}

func (l *liar) Prepare(ctx context.Context, e broker.Effect, in broker.PrepareIn) (broker.Prepared, error) {
	if l.prepare != nil {
		return l.prepare(ctx, e, in)
	}
	return l.Provider.Prepare(ctx, e, in)
}

func (l *liar) WrappingKey(ctx context.Context, e broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
	if l.wrapping != nil {
		return l.wrapping(ctx, e, in)
	}
	return l.Provider.WrappingKey(ctx, e, in)
}

func (l *liar) Import(ctx context.Context, e broker.Effect, in broker.ImportIn) (broker.Imported, error) {
	if l.imports != nil {
		return l.imports(ctx, e, in)
	}
	return l.Provider.Import(ctx, e, in)
}

func (l *liar) Do(ctx context.Context, e broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	if l.do != nil {
		return l.do(ctx, e, v, a)
	}
	return l.Provider.Do(ctx, e, v, a)
}

func (l *liar) Prove(ctx context.Context, v broker.VersionRef, c broker.Challenge) (broker.Answer, error) {
	if l.prove != nil {
		return l.prove(ctx, v, c)
	}
	return l.Provider.Prove(ctx, v, c)
}

func (l *liar) Look(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
	if l.look != nil {
		return l.look(ctx, q)
	}
	return l.Provider.Look(ctx, q)
}
