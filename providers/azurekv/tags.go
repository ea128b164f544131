package azurekv

import (
	"maps"
	"strconv"
	"unicode/utf8"

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

// tagPrefix begins the broker's tags, and none of the customer's.
const tagPrefix = "keyferry-"

func ownTags() []string {
	return []string{tagKey, tagKeyID, tagVersion, tagEffect, tagOperation, tagSpec}
}

// How many tags a version may have, and how many characters ("About keys": key tags).
const (
	maxTags    = 15
	maxTagText = 256
)

func tagRule() broker.TagRule {
	return broker.TagRule{
		Max: maxTags - len(ownTags()), Name: `(?s)^.{1,256}$`, Value: `(?s)^.{0,256}$`,
		Reserved: []string{tagPrefix}, Words: "at most 9 beside the broker's six, names and values of up to 256 characters",
	}
}

// checkTags refuses what the vault would, and what looks like the broker's.
func checkTags(object string, tags map[string]string) error {
	rule := tagRule()
	if why := rule.Refuses(tags); why != "" {
		return refuse(broker.Misuse, "tag", object, "%s; allowed: %s", why, rule.Words)
	}
	return nil
}

// tagsOf a version: the customer's and ours. A name too long for one is left out: the
// key's id is what counts.
func tagsOf(e broker.Effect, of broker.PrepareIn) map[string]*string {
	all := maps.Clone(of.Tags)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, map[string]string{
		tagKey: of.Name, tagKeyID: of.KeyID, tagVersion: strconv.Itoa(of.Number), tagEffect: e.ID(), tagOperation: e.Operation, tagSpec: string(of.Spec),
	})
	if utf8.RuneCountInString(of.Name) > maxTagText {
		delete(all, tagKey)
	}
	return pointers(all)
}

func pointers(tags map[string]string) map[string]*string {
	out := map[string]*string{}
	for name, value := range tags {
		out[name] = &value
	}
	return out
}

// values of tags, cleaned: all, and the customer's.
func values(tags map[string]*string) (all, customers map[string]string) {
	all, customers = map[string]string{}, map[string]string{}
	for name, value := range tags {
		if value != nil {
			all[plain(name)] = plain(*value)
		}
	}
	maps.Copy(customers, all)
	for _, own := range ownTags() {
		delete(customers, own)
	}
	return all, customers
}
