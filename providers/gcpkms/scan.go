package gcpkms

import (
	"context"
	"errors"
	"iter"
	"slices"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"golang.org/x/sync/errgroup"

	"github.com/keyferry/keyferry/broker"
)

// abreast is how many keys a scan reads at once: far below the quota of reads.
const abreast = 8

// finding is what reading one key came to.
type finding struct {
	broker.Observation
	err error
}

// scan reads every key of the ring, or those with an effect's label. Keys without a
// primary are asked for their versions, some at once. A key whose versions we may not
// list comes last, without them; where none can be read, that is the answer.
func (p *Provider) scan(ctx context.Context, effect string) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) {
		keys, receipt, err := p.listKeys(ctx)
		if err != nil {
			yield(broker.Observation{}, err)
			return
		}
		if effect != "" {
			keys = slices.DeleteFunc(keys, func(k *kmspb.CryptoKey) bool { return k.GetLabels()[labelEffect] != effect })
		}
		var denied []finding
		for chunk := range slices.Chunk(keys, abreast) {
			for _, f := range p.readAll(ctx, chunk, receipt) {
				if errors.Is(f.err, broker.Denied) {
					denied = append(denied, f)
				} else if !yield(f.Observation, f.err) || f.err != nil {
					return
				}
			}
		}
		rest(denied, len(denied) == len(keys), yield)
	}
}

// readAll reads some keys at once, and answers in their order.
func (p *Provider) readAll(ctx context.Context, keys []*kmspb.CryptoKey, receipt broker.Receipt) []finding {
	found := make([]finding, len(keys))
	var group errgroup.Group
	for i, key := range keys {
		group.Go(func() error {
			found[i].Observation, found[i].err = p.current(ctx, key, receipt)
			return nil
		})
	}
	_ = group.Wait() // each finding has its own error
	return found
}

// rest says what could not be read.
func rest(denied []finding, all bool, yield func(broker.Observation, error) bool) {
	for _, f := range denied {
		if all {
			yield(broker.Observation{}, f.err)
			return
		}
		f.State, f.Raw, f.Reason = broker.RemoteUnexpected, "", f.err.Error()
		if !yield(f.Observation, nil) {
			return
		}
	}
}
