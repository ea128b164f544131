package awskms

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"golang.org/x/sync/errgroup"

	"github.com/keyferry/keyferry/broker"
)

// abreast is how many keys a scan reads at once: far below the quotas of reads.
const abreast = 8

// finding is what reading one key came to.
type finding struct {
	broker.Observation
	key    string
	wanted bool
	err    error
}

// scan reads every key of the account and region, or those with an effect's tag.
func (p *Provider) scan(ctx context.Context, effect string) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) {
		keys, names, err := p.listed(ctx)
		if err != nil {
			yield(broker.Observation{}, err)
			return
		}
		s := scanner{p: p, effect: effect, names: names}
		for chunk := range slices.Chunk(keys, abreast) {
			for _, f := range s.read(ctx, chunk) {
				if !s.pass(f, yield) {
					return
				}
			}
		}
		s.rest(yield)
	}
}

// listed is every key, and the aliases by key id.
func (p *Provider) listed(ctx context.Context) (keys []string, names map[string][]string, err error) {
	c := call{name: "ListKeys", verb: "list keys of", object: p.String()}
	err = pages(c, func(marker *string) (bool, *string, error) {
		out, _, err := invoke(ctx, p, c, p.kms.ListKeys, &kms.ListKeysInput{Limit: new(int32(1000)), Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, k := range out.Keys {
			if err := p.ours(deref(k.KeyArn)); err != nil {
				return false, nil, err
			}
			keys = append(keys, *k.KeyArn)
		}
		return out.Truncated, out.NextMarker, nil
	})
	if err == nil {
		names, err = p.aliases(ctx, nil)
	}
	return keys, names, err
}

// scanner is one scan under way.
type scanner struct {
	p        *Provider
	effect   string
	names    map[string][]string
	readable bool
	denied   []finding
}

// read reads some keys at once, and answers in their order.
func (s *scanner) read(ctx context.Context, keys []string) []finding {
	found := make([]finding, len(keys))
	var group errgroup.Group
	for i, key := range keys {
		group.Go(func() error {
			found[i] = s.readOne(ctx, key)
			return nil
		})
	}
	_ = group.Wait() // each finding has its own error
	return found
}

func (s *scanner) readOne(ctx context.Context, key string) (f finding) {
	f.key = key
	if s.effect != "" {
		tags, err := s.p.tags(ctx, key)
		if err != nil || tags[tagEffect] != s.effect {
			f.err = err
			return f
		}
	}
	meta, receipt, err := s.p.describe(ctx, key)
	if err != nil || meta == nil || meta.KeyManager == types.KeyManagerTypeAws {
		f.err = err
		return f
	}
	f.Observation, f.err = s.p.observe(ctx, meta, receipt)
	f.Consumers = s.names[deref(meta.KeyId)]
	f.wanted = s.effect == "" || f.Effect == s.effect
	return f
}

// pass yields what is wanted and sets aside what may not be read.
func (s *scanner) pass(f finding, yield func(broker.Observation, error) bool) bool {
	switch {
	case errors.Is(f.err, broker.NotFound): // vanished, or not there yet
		return true
	case errors.Is(f.err, broker.Denied):
		s.denied = append(s.denied, f)
		return true
	case f.err != nil:
		yield(broker.Observation{}, f.err)
		return false
	}
	s.readable = true
	return !f.wanted || yield(f.Observation, nil)
}

// rest says what could not be read.
func (s *scanner) rest(yield func(broker.Observation, error) bool) {
	for _, f := range s.denied {
		switch {
		case !s.readable:
			yield(broker.Observation{}, f.err)
			return
		case s.effect != "":
			return
		}
		o := broker.Observation{
			Version: broker.VersionRef{Key: broker.KeyRef{ID: f.key}}, State: broker.RemoteUnexpected,
			Reason: f.err.Error(), SeenAt: s.p.c.Now().UTC(),
		}
		if !yield(o, nil) {
			return
		}
	}
}
