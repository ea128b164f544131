package gcpkms

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/broker"
)

// Look observes. A key is seen with its primary version, or where it has none with its
// newest; an effect is found by its label among all keys of the ring.
func (p *Provider) Look(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
	switch {
	case q.All:
		return p.scan(ctx, "")
	case q.Effect != "":
		return p.scan(ctx, q.Effect)
	case q.Key != nil:
		return p.seen(func() ([]broker.Observation, error) { return p.lookAtKey(ctx, *q.Key) })
	case q.Name != "":
		return p.seen(func() ([]broker.Observation, error) { return p.lookAtName(ctx, q.Name) })
	case q.Version != nil:
		return p.seen(func() ([]broker.Observation, error) { return p.lookAtVersion(ctx, *q.Version) })
	case q.Versions != nil:
		return p.seen(func() ([]broker.Observation, error) { return p.lookAtVersions(ctx, *q.Versions) })
	default:
		return p.seen(func() ([]broker.Observation, error) { return p.lookAtConsumer(ctx, q.Consumer) })
	}
}

// seen yields what a look came to. What is not there is no error.
func (*Provider) seen(look func() ([]broker.Observation, error)) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) {
		found, err := look()
		if err != nil && !errors.Is(err, broker.NotFound) {
			yield(broker.Observation{}, err)
			return
		}
		for _, o := range found {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (p *Provider) lookAtKey(ctx context.Context, ref broker.KeyRef) ([]broker.Observation, error) {
	if err := p.ours(ref.ID); err != nil {
		return nil, err
	}
	key, receipt, err := p.getKey(ctx, ref)
	if err != nil {
		return nil, err
	}
	o, err := p.current(ctx, key, receipt)
	return []broker.Observation{o}, err
}

// lookAtName is what has a name of ours; nothing can have one that is not allowed.
func (p *Provider) lookAtName(ctx context.Context, name string) ([]broker.Observation, error) {
	if !idShape().MatchString(name) {
		return nil, nil
	}
	return p.lookAtKey(ctx, broker.KeyRef{ID: p.keyName(name)})
}

func (p *Provider) lookAtVersion(ctx context.Context, v broker.VersionRef) ([]broker.Observation, error) {
	if v.ID == "" {
		return p.lookAtKey(ctx, v.Key)
	}
	if err := p.check(v); err != nil {
		return nil, err
	}
	key, _, err := p.getKey(ctx, v.Key)
	if err != nil {
		return nil, err
	}
	version, receipt, err := p.getVersion(ctx, v)
	if err != nil {
		return nil, err
	}
	return []broker.Observation{p.observe(key, version, receipt)}, nil
}

func (p *Provider) lookAtVersions(ctx context.Context, ref broker.KeyRef) ([]broker.Observation, error) {
	if err := p.ours(ref.ID); err != nil {
		return nil, err
	}
	key, receipt, err := p.getKey(ctx, ref)
	if err != nil {
		return nil, err
	}
	versions, err := p.versions(ctx, ref)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(versions, func(a, b *kmspb.CryptoKeyVersion) int { return numberOf(a) - numberOf(b) })
	var all []broker.Observation
	for _, v := range versions {
		all = append(all, p.observe(key, v, receipt))
	}
	return all, nil
}

// lookAtConsumer is what consumers get by a name: by a version's that version, by a
// key's its primary.
func (p *Provider) lookAtConsumer(ctx context.Context, name string) ([]broker.Observation, error) {
	v, err := p.parseVersion(name)
	switch {
	case err == nil:
		return p.lookAtVersion(ctx, v)
	case p.ours(name) != nil:
		return nil, nil //nolint:nilerr // nothing of this target is used by it
	}
	key, receipt, err := p.getKey(ctx, broker.KeyRef{ID: name})
	if err != nil || key.GetPrimary() == nil {
		return nil, err
	}
	return []broker.Observation{p.observe(key, key.GetPrimary(), receipt)}, nil
}

// current is a key with the version that counts: the primary, or the newest.
func (p *Provider) current(ctx context.Context, key *kmspb.CryptoKey, receipt broker.Receipt) (broker.Observation, error) {
	if key.GetPrimary() != nil {
		return p.observe(key, key.GetPrimary(), receipt), nil
	}
	versions, err := p.versions(ctx, broker.KeyRef{ID: key.GetName()})
	if err != nil || len(versions) == 0 {
		return p.observe(key, nil, receipt), err
	}
	newest := slices.MaxFunc(versions, func(a, b *kmspb.CryptoKeyVersion) int { return numberOf(a) - numberOf(b) })
	return p.observe(key, newest, receipt), nil
}

// idOf is a version's number as it stands in its name, numberOf that number.
func idOf(v *kmspb.CryptoKeyVersion) string {
	return v.GetName()[strings.LastIndex(v.GetName(), "/")+1:]
}

func numberOf(v *kmspb.CryptoKeyVersion) int {
	n, err := strconv.Atoi(idOf(v))
	if err != nil {
		return 0 // names were checked: it is a number
	}
	return n
}
