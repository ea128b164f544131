package providertest_test

import (
	"context"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/memory"
)

// What breaks at a target whose imports make keys, and whose wrapping keys are kept.

func brokenNewest() []broken {
	type q = broker.Query
	var out []broken
	add := func(check string, how lie) { out = append(out, broken{check, memory.Newest, how}) }
	add("prepare makes nothing where the import makes the key", func(l *liar) {
		l.prepare = func(_ context.Context, e broker.Effect, _ broker.PrepareIn) (broker.Prepared, error) {
			return broker.Prepared{Key: broker.KeyRef{ID: "memory:tests:key/" + e.ID()}}, nil
		}
	})
	add("a version carries the mark of its import alone", says(func(o *broker.Observation) { o.Effect = "" }))
	add("a version of somebody else's with our mark is seen beside ours", hides(func(q q, _ *broker.Observation) bool { return q.Versions != nil }))
	add("an end is moved without importing again", skips(broker.SetEnd))
	add("consumers get the newest version", func(l *liar) {
		var oldest broker.VersionRef
		afterImport(func(_ *liar, _ context.Context, done broker.Imported) {
			if oldest.ID == "" {
				oldest = done.Version
			}
		})(l)
		tells(func(q q, o *broker.Observation) bool {
			if q.Consumer != "" {
				o.Version = oldest
			}
			return true
		})(l)
	})
	add("a disabled version is still what consumers get", hides(func(_ q, o *broker.Observation) bool { return o.State == broker.RemoteDisabled }))
	add("a disabled version shows its public key, and is not used", refusesProof(broker.Conflict, ""))
	add("a version shows its public key before its time, and is not used", sends(func(in *broker.ImportIn) { in.ValidFrom = time.Time{} }))
	add("a deleted key keeps its name", hides(func(q q, o *broker.Observation) bool { return q.Name != "" && o.State == broker.RemoteScheduled }))
	add("one version of a key is not deleted", swallows(broker.Unsupported))
	add("a version is not used after its end, and its end can be moved", skips(broker.SetEnd))
	return out
}

func brokenKept() []broken {
	var out []broken
	add := func(check string, how lie) { out = append(out, broken{check, memory.Newest, how}) }
	add("each wrapping key that is made is another", func(l *liar) {
		made := ""
		l.wrapping = func(ctx context.Context, e broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
			in.Kept = made
			w, err := l.Provider.WrappingKey(ctx, e, in)
			made = w.Ref
			return w, err
		}
	})
	add("a kept wrapping key is fetched as it was made", wraps(func(in *broker.WrappingKeyIn) { in.Kept = "" }))
	add("a wrapping key that lasts serves the next import too", wraps(func(in *broker.WrappingKeyIn) { in.Kept = "" }))
	add("a kept wrapping key that is not there is not found", makesAnother(broker.NotFound))
	add("a kept wrapping key ends", makesAnother(broker.Expired))
	add("a kept wrapping key outside its time, or disabled, is not used", makesAnother(broker.Expired))
	add("a kept wrapping key that may do more than import is refused", makesAnother(broker.Rejected))
	add("a wrapping key of somebody else's is never fetched unasked", wraps(func(in *broker.WrappingKeyIn) { in.Kept = firstKept }))
	return out
}
