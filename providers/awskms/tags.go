package awskms

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/broker"
)

// The broker's own tags on a key.
const (
	tagPrefix    = "keyferry:"
	tagEffect    = tagPrefix + "effect"
	tagOperation = tagPrefix + "operation"
	tagName      = tagPrefix + "key"
	tagKeyID     = tagPrefix + "key-id"
	tagVersion   = tagPrefix + "version"
)

// ownTags is how many tags of the broker's a key has.
const ownTags = 5

// tagRule is AWS's for tags, less the broker's own ("Tag naming and usage
// conventions", AWS Tagging guide).
func tagRule() broker.TagRule {
	const maxTags, characters = 50, `[\p{L}\p{Z}\p{N}_.:/=+\-@]`
	return broker.TagRule{
		Max: maxTags - ownTags, Name: characters + `{1,128}`, Value: characters + `{0,256}`, Reserved: []string{"aws:", tagPrefix},
		Words: "at most 45, with letters, digits, spaces and _.:/=+-@, names of 1 to 128 and values of up to 256 characters",
	}
}

// tagsFor are the customer's tags and the broker's, within AWS's limits; Misuse
// names the tag that is not.
func tagsFor(e broker.Effect, in broker.PrepareIn) ([]types.Tag, error) {
	rule := tagRule()
	if why := rule.Refuses(in.Tags); why != "" {
		return nil, fmt.Errorf("these tags are not allowed: %s; allowed: %s: %w", why, rule.Words, broker.Misuse)
	}
	all := map[string]string{
		tagEffect: e.ID(), tagOperation: e.Operation,
		tagName: in.Name, tagKeyID: in.KeyID, tagVersion: strconv.Itoa(in.Number),
	}
	maps.Copy(all, in.Tags)
	tags := make([]types.Tag, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		tags = append(tags, types.Tag{TagKey: new(key), TagValue: new(all[key])})
	}
	return tags, nil
}
