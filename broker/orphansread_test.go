package broker_test

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// counted counts how often all keys are read.
type counted struct {
	broker.Store
	reads *int
}

func (c counted) Keys(ctx context.Context, f broker.KeyFilter) iter.Seq2[broker.KeyView, error] {
	*c.reads++
	return c.Store.Keys(ctx, f)
}

// The record is read as often for three keys as for none: with thousands, orphans could
// not be looked for otherwise.
func TestOrphansReadTheRecordAFixedNumberOfTimes(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	reads := func() int {
		n := 0
		o := w.options()
		o.Store = counted{w.store, &n}
		b, err := broker.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := b.Orphans(t.Context(), []string{"numbered"}); err != nil || len(found) != 0 {
			t.Fatalf("orphans %+v, %v", found, err)
		}
		return n
	}
	before := reads()
	for i := range 3 {
		if _, err := w.run(nil).Import(t.Context(), everywhere(fmt.Sprint("key-", i), broker.AES256)); err != nil {
			t.Fatal(err)
		}
	}
	if after := reads(); after != before || before == 0 {
		t.Errorf("%d reads without keys, %d with three", before, after)
	}
}
