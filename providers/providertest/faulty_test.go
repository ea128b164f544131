package providertest_test

import (
	"context"
	"errors"
	"iter"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/memory"
)

// again repeats an import whose answer was of a kind.
func again(kind broker.Kind) lie {
	return func(l *liar) {
		l.imports = func(ctx context.Context, e broker.Effect, in broker.ImportIn) (broker.Imported, error) {
			done, err := l.Provider.Import(ctx, e, in)
			if errors.Is(err, kind) {
				return l.Provider.Import(ctx, e, in)
			}
			return done, err
		}
	}
}

// blurs changes the errors of imports.
func blurs(change func(*broker.Error)) lie {
	return func(l *liar) {
		l.imports = func(ctx context.Context, e broker.Effect, in broker.ImportIn) (broker.Imported, error) {
			done, err := l.Provider.Import(ctx, e, in)
			if e, ok := errors.AsType[*broker.Error](err); ok {
				change(e)
			}
			return done, err
		}
	}
}

// goesOn does not hear that its caller went away.
func goesOn(l *liar) {
	l.imports = func(ctx context.Context, e broker.Effect, in broker.ImportIn) (broker.Imported, error) {
		return l.Provider.Import(context.WithoutCancel(ctx), e, in)
	}
}

// seesNothing takes a failed look for one that yields nothing.
func seesNothing(l *liar) {
	l.look = func(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
		return func(yield func(broker.Observation, error) bool) {
			for o, err := range l.Provider.Look(ctx, q) {
				if err != nil || !yield(o, nil) {
					return
				}
			}
		}
	}
}

// blursLooks changes the errors of looks.
func blursLooks(change func(*broker.Error)) lie {
	return func(l *liar) {
		l.look = func(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
			return func(yield func(broker.Observation, error) bool) {
				for o, err := range l.Provider.Look(ctx, q) {
					if e, ok := errors.AsType[*broker.Error](err); ok {
						change(e)
					}
					if !yield(o, err) {
						return
					}
				}
			}
		}
	}
}

// repeatsMaking makes another wrapping key where an answer was lost, by itself.
func repeatsMaking(l *liar) { makesAnother(broker.Unclear)(l) }

func unavailable(e *broker.Error) { e.Kind = broker.Unavailable }

// faulty are providers that deal wrongly with faults, of each kind once.
func faulty() []broken {
	var out []broken
	add := func(check string, how lie) { out = append(out, broken{check, memory.Newest, how}) }
	repeated := again(broker.Unclear)
	add("import: a request that never arrives is unclear and did nothing", repeated)
	add("import: an answer that is lost is unclear and it happened", repeated)
	add("import: a server fault is unclear", blurs(unavailable))
	add("import: a server fault after it was done is unclear", blurs(unavailable))
	add("import: throttled without a time", again(broker.Throttled))
	add("import: throttled with a time", blurs(func(e *broker.Error) { e.RetryAfter = 0 }))
	add("import: denied names the permission", blurs(func(e *broker.Error) { e.Permission = "" }))
	add("import: done late, within settling", repeated)
	add("import: done late, beyond settling", repeated)
	add("import: cancelled before it is sent, it did nothing", goesOn)
	add("import: cancelled before it is done", goesOn)
	add("import: cancelled after it was done", goesOn)
	add("make-wrapping-key: an answer that is lost is unclear and it happened", repeatsMaking)
	add("look: an answer lost once is asked for again", blursLooks(func(e *broker.Error) { e.Kind = broker.Unclear }))
	for _, check := range []string{
		"look: an answer lost for good is unavailable", "look: a server fault for good is unavailable", "look: throttled with a time",
		"look: throttled without a time", "look: denied names the permission",
	} {
		add(check, seesNothing)
	}
	return out
}
