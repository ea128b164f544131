package gcpemu

import (
	"crypto/rsa"
	"fmt"
	"maps"
	"slices"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/localstack/emu"
)

// store is all that the emulator holds, by resource name.
type store struct {
	rings   map[string]*ring
	buckets map[string]*emu.Bucket
}

func newStore() *store { return &store{rings: map[string]*ring{}, buckets: map[string]*emu.Bucket{}} }

// make makes a ring, unless it is there.
func (s *store) make(name string, now time.Time) *ring {
	if s.rings[name] == nil {
		s.rings[name] = &ring{name: name, created: now, keys: map[string]*key{}, jobs: map[string]*job{}}
	}
	return s.rings[name]
}

// ring is a KeyRing.
type ring struct {
	name    string
	created time.Time
	keys    map[string]*key // by resource name
	jobs    map[string]*job
}

// key is a CryptoKey.
type key struct {
	name         string
	ring         *ring
	created      time.Time
	purpose      purpose
	level        kmspb.ProtectionLevel
	algorithm    algorithmID // of the template
	labels       map[string]string
	importOnly   bool
	destroyAfter time.Duration
	primary      *version
	versions     []*version // number n is at n-1
	commits      map[string]int
}

// job is an ImportJob.
type job struct {
	name      string
	created   time.Time
	generated time.Time
	expires   time.Time
	method    method
	level     kmspb.ProtectionLevel
	private   *rsa.PrivateKey
	pending   pending
}

// next is the name of the version that will be made next: the next number.
func (k *key) next() string { return fmt.Sprintf("%s/cryptoKeyVersions/%d", k.name, len(k.versions)+1) }

// find is the version of this name; nil for none.
func (k *key) find(name string) *version {
	i := slices.IndexFunc(k.versions, func(v *version) bool { return v.name == name })
	if i < 0 {
		return nil
	}
	return k.versions[i]
}

// names are the sorted keys of a map.
func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// pending is how long something is not yet ready: for so many reads, and until a
// time.
type pending struct {
	reads int
	until time.Time
}

func (p *pending) is(now time.Time) bool { return p.reads > 0 || now.Before(p.until) }

// read counts a read.
func (p *pending) read() { p.reads = max(p.reads-1, 0) }

// newPending begins now.
func newPending(reads int, span time.Duration, now time.Time) pending {
	return pending{reads: reads, until: now.Add(span)}
}
