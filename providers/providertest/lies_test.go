package providertest_test

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// lie makes a provider break promises.
type lie func(*liar)

// tells changes what is seen: every observation, or leaves it out.
func tells(change func(broker.Query, *broker.Observation) bool) lie {
	return func(l *liar) {
		l.look = func(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
			return func(yield func(broker.Observation, error) bool) {
				for o, err := range l.Provider.Look(ctx, q) {
					if (err != nil || change(q, &o)) && !yield(o, err) {
						return
					}
				}
			}
		}
	}
}

// says changes every observation.
func says(change func(*broker.Observation)) lie {
	return tells(func(_ broker.Query, o *broker.Observation) bool { change(o); return true })
}

// hides leaves what a query asks for out.
func hides(q func(broker.Query, *broker.Observation) bool) lie {
	return tells(func(asked broker.Query, o *broker.Observation) bool { return !q(asked, o) })
}

// answersAs changes what is asked for.
func answersAs(change func(*broker.Query)) lie {
	return func(l *liar) {
		l.look = func(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
			change(&q)
			return l.Provider.Look(ctx, q)
		}
	}
}

// prepares changes what is asked to be prepared.
func prepares(change func(*broker.PrepareIn)) lie {
	return func(l *liar) {
		l.prepare = func(ctx context.Context, e broker.Effect, in broker.PrepareIn) (broker.Prepared, error) {
			change(&in)
			return l.Provider.Prepare(ctx, e, in)
		}
	}
}

// takesAnything finds what has the name, whatever it is.
func takesAnything(l *liar) {
	l.prepare = func(ctx context.Context, e broker.Effect, in broker.PrepareIn) (broker.Prepared, error) {
		made, err := l.Provider.Prepare(ctx, e, in)
		if errors.Is(err, broker.Conflict) {
			return broker.Prepared{Key: broker.KeyRef{ID: "memory:tests:key/" + in.RemoteName}}, nil
		}
		return made, err
	}
}

// sends changes what is imported.
func sends(change func(*broker.ImportIn)) lie {
	return func(l *liar) {
		l.imports = func(ctx context.Context, e broker.Effect, in broker.ImportIn) (broker.Imported, error) {
			change(&in)
			return l.Provider.Import(ctx, e, in)
		}
	}
}

// accepts answers success to what was refused.
func accepts(l *liar) {
	l.imports = func(ctx context.Context, e broker.Effect, in broker.ImportIn) (broker.Imported, error) {
		done, err := l.Provider.Import(ctx, e, in)
		if err != nil {
			done.Version.Key = in.Key
		}
		return done, nil
	}
}

// afterImport does something more.
func afterImport(more func(l *liar, ctx context.Context, done broker.Imported)) lie {
	return func(l *liar) {
		l.imports = func(ctx context.Context, e broker.Effect, in broker.ImportIn) (broker.Imported, error) {
			done, err := l.Provider.Import(ctx, e, in)
			if err == nil {
				more(l, ctx, done)
			}
			return done, err
		}
	}
}

// skips answers success to actions, and does nothing.
func skips(kinds ...broker.ActionKind) lie {
	return func(l *liar) {
		l.do = func(ctx context.Context, e broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
			if slices.Contains(kinds, a.Kind) {
				return broker.Receipt{}, nil
			}
			return l.Provider.Do(ctx, e, v, a)
		}
	}
}

// swallows answers success to actions that were refused for a reason.
func swallows(kinds ...broker.Kind) lie {
	return func(l *liar) {
		l.do = func(ctx context.Context, e broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
			receipt, err := l.Provider.Do(ctx, e, v, a)
			if slices.Contains(kinds, broker.KindOf(err)) {
				err = nil
			}
			return receipt, err
		}
	}
}

// acts changes what an action is about.
func acts(change func(*broker.VersionRef, *broker.Action)) lie {
	return func(l *liar) {
		l.do = func(ctx context.Context, e broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
			change(&v, &a)
			return l.Provider.Do(ctx, e, v, a)
		}
	}
}

// proves changes what is asked to be proven.
func proves(change func(*broker.VersionRef)) lie {
	return func(l *liar) {
		l.prove = func(ctx context.Context, v broker.VersionRef, c broker.Challenge) (broker.Answer, error) {
			change(&v)
			return l.Provider.Prove(ctx, v, c)
		}
	}
}

// refusesProof turns one kind of refusal into another; "" into success.
func refusesProof(kind, as broker.Kind) lie {
	return func(l *liar) {
		l.prove = func(ctx context.Context, v broker.VersionRef, c broker.Challenge) (broker.Answer, error) {
			answer, err := l.Provider.Prove(ctx, v, c)
			switch {
			case kind != "" && !errors.Is(err, kind), kind == "" && err != nil:
				return answer, err
			case as == "":
				return answer, nil
			default:
				return broker.Answer{}, &broker.Error{Kind: as, Op: "prove", Object: v.Key.ID}
			}
		}
	}
}

// makesAnother answers another wrapping key where the one that is kept was refused.
func makesAnother(kind broker.Kind) lie {
	return func(l *liar) {
		l.wrapping = func(ctx context.Context, e broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
			w, err := l.Provider.WrappingKey(ctx, e, in)
			if errors.Is(err, kind) {
				in.Kept = ""
				return l.Provider.WrappingKey(ctx, e, in)
			}
			return w, err
		}
	}
}

// wraps changes which wrapping key is asked for.
func wraps(change func(*broker.WrappingKeyIn)) lie {
	return func(l *liar) {
		l.wrapping = func(ctx context.Context, e broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
			change(&in)
			return l.Provider.WrappingKey(ctx, e, in)
		}
	}
}

// claims changes what the provider says of itself.
func claims(change func(*broker.Capabilities)) lie {
	return func(l *liar) {
		l.capabilities = func(c broker.Capabilities) broker.Capabilities {
			change(&c)
			return c
		}
	}
}
