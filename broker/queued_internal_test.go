package broker

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// leases is a store that gives every lease.
type leases struct {
	Store

	given []Lease
}

// Lease implements Store.
func (s *leases) Lease(_ context.Context, l Lease) error {
	s.given = append(s.given, l)
	return nil
}

// TestWhoWaitsForAQuotaKeepsTheLease: a call that says Throttled because its turn would
// come too late is made again, for as long as others take, with the lease extended.
func TestWhoWaitsForAQuotaKeepsTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &leases{}
		l := &line{b: &Broker{o: Options{Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler)}}, key: Key{Name: "k"}}
		now := time.Now()
		l.lease = Lease{Name: "key/k", Now: now, Until: now.Add(leaseLife)}
		tries := 0
		err := l.again(t.Context(), func(ctx context.Context) error {
			if tries++; tries > 8 {
				return nil
			}
			deadline, ok := ctx.Deadline()
			if !ok {
				t.Fatal("a call outlives the lease")
			}
			time.Sleep(time.Until(deadline) - 3*time.Minute) // as providers/pace does
			return &Error{Kind: Throttled, Op: "wait for the quota of", Object: "Fetch", Cause: context.DeadlineExceeded}
		})
		if err != nil || tries != 9 {
			t.Errorf("after %d tries and %s: %v", tries, time.Since(now), err)
		}
		if took := time.Since(now); took < 30*time.Minute || len(store.given) == 0 || !time.Now().Before(l.lease.Until) {
			t.Errorf("it took %s, with a lease until %s", took, l.lease.Until)
		}
	})
}
