package awsemu

import (
	"maps"
	"slices"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
)

// place is where a key lives. Nothing is shared between places but what makes a
// multi-Region key.
type place struct{ account, region string }

// arn of something of KMS there. Partitions other than aws are not modelled.
func (p place) arn(resource string) string {
	return "arn:aws:kms:" + p.region + ":" + p.account + ":" + resource
}

// alias is a name for a key of the same place.
type alias struct {
	name             string
	target           lagging[string] // key id; "" before it is seen
	created, updated time.Time
}

// region is what one place holds.
type region struct {
	keys    map[string]*key
	aliases map[string]*alias
	buckets map[string]*emu.Bucket
}

// store is all that an emulator holds. Its owner locks it.
type store struct {
	places map[place]*region
	tokens map[string]*importToken
	due    time.Time // when the next key changes by itself; zero never
}

func newStore() *store {
	return &store{places: map[place]*region{}, tokens: map[string]*importToken{}}
}

func (s *store) at(p place) *region {
	r := s.places[p]
	if r == nil {
		r = &region{keys: map[string]*key{}, aliases: map[string]*alias{}, buckets: map[string]*emu.Bucket{}}
		s.places[p] = r
	}
	return r
}

// elapse does what has become due everywhere.
func (s *store) elapse(now time.Time) {
	for !s.due.IsZero() && !now.Before(s.due) { // a replica's end may be the beginning of its primary's
		s.due = time.Time{}
		for _, r := range s.places {
			for _, k := range r.keys {
				s.due = earlier(s.due, k.elapse(now))
				if !k.deletion.IsZero() && !now.Before(k.deletion) {
					r.drop(k)
				}
			}
		}
		s.publish()
	}
}

// publish shows what has elapsed, at once.
func (s *store) publish() {
	for _, r := range s.places {
		for _, k := range r.keys {
			k.publish(lag{})
		}
	}
}

// watch has elapse look at k, and at all related keys, when their next change is due.
func (s *store) watch(k *key, now time.Time) {
	for _, o := range k.related() {
		s.due = earlier(s.due, o.elapse(now))
	}
}

// drop ends a key and all its aliases.
func (r *region) drop(k *key) {
	delete(r.keys, k.id)
	k.leave()
	maps.DeleteFunc(r.aliases, func(_ string, a *alias) bool { return a.target.is == k.id })
}

// aliasesOf are the names that lead to a key, sorted.
func (r *region) aliasesOf(id string) []string {
	var names []string
	for name, a := range r.aliases {
		if a.target.is == id {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// publish lets DescribeKey show what the key is now, after l.
func (k *key) publish(l lag) {
	if now := k.metadata(); !now.equal(k.shown.is) {
		k.shown.set(now, l)
	}
}
