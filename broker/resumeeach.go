package broker

import (
	"context"
	"iter"
	"sync"
)

// ResumeEach goes on with many operations, so many at once, and yields what becomes of
// each in the order in which they end. One that fails holds no other up. Once ctx ends,
// or the caller has seen enough, nothing more is begun; what is under way is finished,
// and yielded unless the caller has left. What was never begun is not yielded.
func (b *Broker) ResumeEach(ctx context.Context, ids []string, atOnce int) iter.Seq[Outcome] {
	return func(yield func(Outcome) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		wanted := true
		for o := range b.resumes(ctx, ids, max(1, atOnce)) {
			if wanted = wanted && yield(o); !wanted {
				stop()
			}
		}
	}
}

// resumes runs them; the channel is closed when all that were begun have ended.
func (b *Broker) resumes(ctx context.Context, ids []string, atOnce int) <-chan Outcome {
	next, done := make(chan int), make(chan Outcome)
	go func() {
		defer close(next)
		for i := range ids {
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
				r, err := b.Resume(context.WithoutCancel(ctx), ids[i])
				done <- Outcome{Index: i, Result: r, Err: err}
			}
		})
	}
	go func() {
		workers.Wait()
		close(done)
	}()
	return done
}
