package awsemu

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxTags is how many tags a key may have.
const maxTags = 50

// tagText is what tag keys and values are made of (Tagging AWS resources guide).
var tagText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

type tag struct {
	TagKey   string `json:"TagKey"`
	TagValue string `json:"TagValue"`
}

func (t tag) check() error {
	switch {
	case strings.HasPrefix(strings.ToLower(t.TagKey), "aws:"):
		return refuse(codeTag, "Tag keys that begin with aws: are reserved")
	case !tagText.MatchString(t.TagKey), !tagText.MatchString(t.TagValue):
		return refuse(codeTag, "The tag %q has a character that tags may not have", t.TagKey)
	}
	return cmp.Or(
		checkLength("TagKey", utf8.RuneCountInString(t.TagKey), 1, 128),
		checkLength("TagValue", utf8.RuneCountInString(t.TagValue), 0, 256),
	)
}

// newTags are the tags of CreateKey, which need a permission of their own.
func (c *call) newTags(tags []tag) (map[string]string, error) {
	if len(tags) == 0 {
		return map[string]string{}, nil
	}
	if err := c.allow("kms:TagResource"); err != nil {
		return nil, err
	}
	return withTags(map[string]string{}, tags)
}

func withTags(have map[string]string, tags []tag) (map[string]string, error) {
	out, named := maps.Clone(have), map[string]bool{}
	for _, t := range tags {
		if err := t.check(); err != nil {
			return nil, err
		}
		if named[t.TagKey] {
			return nil, refuse(codeTag, "The tag key %s is given twice", t.TagKey)
		}
		named[t.TagKey] = true
		out[t.TagKey] = t.TagValue
	}
	if len(out) > maxTags {
		return nil, refuse(codeLimit, "A key can have at most %d tags", maxTags)
	}
	return out, nil
}

type tagResourceInput struct {
	KeyID string `json:"KeyId"`
	Tags  []tag  `json:"Tags"`
}

func tagResource(c *call, in tagResourceInput) (any, error) {
	k, err := c.changeable(in.KeyID)
	if err != nil {
		return nil, err
	}
	if in.Tags == nil {
		return nil, refuse(codeValidation, "Value at 'tags' failed to satisfy constraint: it must not be null")
	}
	tags, err := withTags(k.tags.is, in.Tags)
	if err != nil {
		return nil, err
	}
	k.tags.set(tags, c.lag())
	return none{}, nil
}

type untagResourceInput struct {
	KeyID   string   `json:"KeyId"`
	TagKeys []string `json:"TagKeys"`
}

func untagResource(c *call, in untagResourceInput) (any, error) {
	k, err := c.changeable(in.KeyID)
	if err != nil {
		return nil, err
	}
	tags := maps.Clone(k.tags.is)
	for _, name := range in.TagKeys {
		delete(tags, name)
	}
	k.tags.set(tags, c.lag())
	return none{}, nil
}

// changeable finds a key that is not to be deleted. What belongs to one region
// changes also while a replica is created or roles change.
func (c *call) changeable(ref string) (*key, error) {
	k, err := c.key(ref)
	if err != nil {
		return nil, err
	}
	return k, k.in(stateEnabled, stateDisabled, statePendingImport, stateCreating, stateUpdating)
}

type listResourceTagsInput struct {
	KeyID  string  `json:"KeyId"`
	Limit  *int    `json:"Limit"`
	Marker *string `json:"Marker"`
}

type listResourceTagsOutput struct {
	Tags []tag `json:"Tags"`
	pageOutput
}

func listResourceTags(c *call, in listResourceTagsInput) (any, error) {
	k, err := c.key(in.KeyID)
	if err != nil {
		return nil, err
	}
	tags := k.tags.see(c.now)
	names, end, err := c.page(slices.Sorted(maps.Keys(tags)), in.Limit, in.Marker, limits{50, 50})
	if err != nil {
		return nil, err
	}
	out := listResourceTagsOutput{Tags: []tag{}, pageOutput: end}
	for _, name := range names {
		out.Tags = append(out.Tags, tag{name, tags[name]})
	}
	return out, nil
}
