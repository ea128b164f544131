package azurekv

import (
	"maps"
	"strconv"

	"github.com/keyferry/keyferry/broker"
)

// The broker's tags on a version. An import sets them, so that one whose answer was
// lost is found.
const (
	tagKey       = "keyferry-key"
	tagKeyID     = "keyferry-key-id"
	tagVersion   = "keyferry-version"
	tagEffect    = "keyferry-effect"
	tagOperation = "keyferry-operation"
	tagSpec      = "keyferry-spec" // an oct-HSM key shows no size
)

// ownTags is how many of the fifteen are the broker's.
const ownTags = 6

// maxTags is how many a version may have ("About keys": key tags).
const maxTags = 15

func tagRule() broker.TagRule {
	const text = `(?s).{1,256}`
	return broker.TagRule{
		Max: maxTags - ownTags, Name: text, Value: `(?s).{0,256}`,
		Words: "at most 9 beside the broker's six, names and values of up to 256 characters",
	}
}

func tagsOf(e broker.Effect, of broker.PrepareIn) map[string]*string {
	all := maps.Clone(of.Tags)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, map[string]string{
		tagKey: of.Name, tagKeyID: of.KeyID, tagVersion: strconv.Itoa(of.Number), tagEffect: e.ID(), tagOperation: e.Operation, tagSpec: string(of.Spec),
	})
	return pointers(all)
}

func pointers(tags map[string]string) map[string]*string {
	out := map[string]*string{}
	for name, value := range tags {
		out[name] = &value
	}
	return out
}

// values of tags, cleaned, the customer's apart from the broker's.
func values(tags map[string]*string) (all, customers map[string]string) {
	all, customers = map[string]string{}, map[string]string{}
	for name, value := range tags {
		if value != nil {
			all[plain(name)] = plain(*value)
		}
	}
	maps.Copy(customers, all)
	for _, own := range []string{tagKey, tagKeyID, tagVersion, tagEffect, tagOperation, tagSpec} {
		delete(customers, own)
	}
	return all, customers
}
