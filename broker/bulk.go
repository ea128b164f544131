package broker

import (
	"context"
	"iter"
	"sync"
)

// Outcome is what became of one of many imports.
type Outcome struct {
	Index  int // of its request
	Result Result
	Err    error
}

// ImportEach imports many keys, so many at once, and yields what becomes of each in the
// order in which they end. One that fails holds no other up. Once ctx ends, or the
// caller has seen enough, nothing more is begun; what is under way is finished, and
// yielded unless the caller has left. What was never begun is not yielded.
func (b *Broker) ImportEach(ctx context.Context, reqs []ImportRequest, atOnce int) iter.Seq[Outcome] {
	return func(yield func(Outcome) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		wanted := true
		for o := range b.imports(ctx, reqs, max(1, atOnce)) {
			if wanted = wanted && yield(o); !wanted {
				stop()
			}
		}
	}
}

// imports runs them; the channel is closed when all that were begun have ended.
func (b *Broker) imports(ctx context.Context, reqs []ImportRequest, atOnce int) <-chan Outcome {
	next, done := make(chan int), make(chan Outcome)
	go func() {
		defer close(next)
		for i := range reqs {
			if ctx.Err() != nil {
				return
			}
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for i := range next {
				r, err := b.Import(context.WithoutCancel(ctx), reqs[i])
				done <- Outcome{i, r, err}
			}
		})
	}
	go func() {
		workers.Wait()
		close(done)
	}()
	return done
}
