package broker

import (
	"context"
	"time"
)

// unseenFor is for how much longer something may not be seen although it was done.
func (l *line) unseenFor(p *place, rec EffectRecord) time.Duration {
	if !rec.Done() {
		return p.caps.Settle
	}
	return max(0, p.caps.Settle-l.b.o.Now().Sub(rec.DoneAt))
}

// patience is how something is waited for: eventually, or that and words about it.
type patience func(ctx context.Context, limit, poll time.Duration, f func() (done bool, err error)) error

// patience says once that it waits, if it does.
func (l *line) patience(p *place, what string) patience {
	return func(ctx context.Context, limit, poll time.Duration, f func() (bool, error)) error {
		told := limit <= 0
		return eventually(ctx, limit, poll, func() (bool, error) {
			done, err := f()
			if !done && !told {
				told = true
				l.tellWait(ctx, p, what, limit)
			}
			return done, err
		})
	}
}

func (l *line) tellWait(ctx context.Context, p *place, what string, limit time.Duration) {
	l.b.o.Log.WarnContext(ctx, "waiting for the target", "operation", l.op.ID, "target", p.target.Name, "for", what, "at_most", limit)
}
