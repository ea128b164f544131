package azureemu

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

type updateInput struct {
	KeyOps        []string          `json:"key_ops"`
	Attributes    *attributesIn     `json:"attributes"`
	Tags          map[string]string `json:"tags"`
	ReleasePolicy json.RawMessage   `json:"release_policy"`
}

// updateKey changes what is given of a version, or of the latest, and leaves the
// rest. Tags that are given replace all that were there.
func updateKey(c *call, in updateInput) (any, error) {
	k, v, err := c.findVersion()
	if err != nil {
		return nil, err
	}
	changed := *v
	if in.KeyOps != nil {
		changed.ops = in.KeyOps
	}
	if in.Tags != nil {
		changed.tags = maps.Clone(in.Tags)
	}
	err = cmp.Or(in.Attributes.apply(&changed), checkOps(v.kty, changed.ops), checkTags(in.Tags), unmodelledPolicy(in.ReleasePolicy))
	switch {
	case err != nil:
		return nil, err
	case changed.isKEK() != v.isKEK():
		return nil, refuse(codeBadParameter, "The operation import cannot be added to a key, or taken from it")
	case v.isKEK() && !slices.Equal(changed.ops, v.ops):
		return nil, refuse(codeBadParameter, "The operation import excludes all others")
	}
	changed.updated = c.now
	*v = changed
	return c.bundle(k, v), nil
}
