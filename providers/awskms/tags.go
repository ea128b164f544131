package awskms

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

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

// Limits of tags ("Tag naming and usage conventions", AWS Tagging guide).
const (
	maxTags, maxTagKey, maxTagValue = 50, 128, 256
	tagCharacters                   = `^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`
)

// tagsFor are the customer's tags and the broker's, within AWS's limits; Misuse
// names the tag that is not.
func tagsFor(e broker.Effect, in broker.PrepareIn) ([]types.Tag, error) {
	all := map[string]string{
		tagEffect: e.ID(), tagOperation: e.Operation,
		tagName: in.Name, tagKeyID: in.KeyID, tagVersion: strconv.Itoa(in.Number),
	}
	for key := range in.Tags {
		if lower := strings.ToLower(key); strings.HasPrefix(lower, "aws:") || strings.HasPrefix(lower, tagPrefix) {
			return nil, refuseTag(key, "the prefix is reserved")
		}
	}
	maps.Copy(all, in.Tags)
	if len(all) > maxTags {
		return nil, refuseTag("", fmt.Sprintf("%d tags with the broker's own, %d are allowed", len(all), maxTags))
	}
	tags := make([]types.Tag, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if err := checkTag(key, all[key]); err != nil {
			return nil, err
		}
		tags = append(tags, types.Tag{TagKey: new(key), TagValue: new(all[key])})
	}
	return tags, nil
}

func checkTag(key, value string) error {
	allowed := regexp.MustCompile(tagCharacters)
	switch {
	case key == "":
		return refuseTag(key, "a tag needs a key")
	case utf8.RuneCountInString(key) > maxTagKey:
		return refuseTag(key, fmt.Sprintf("the key has more than %d characters", maxTagKey))
	case utf8.RuneCountInString(value) > maxTagValue:
		return refuseTag(key, fmt.Sprintf("the value has more than %d characters", maxTagValue))
	case !allowed.MatchString(key), !allowed.MatchString(value):
		return refuseTag(key, "only letters, digits, spaces and _.:/=+-@ are allowed")
	}
	return nil
}

func refuseTag(key, why string) error {
	return fmt.Errorf("tag %q: %s: %w", key, why, broker.Misuse)
}
