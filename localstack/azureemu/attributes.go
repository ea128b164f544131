package azureemu

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"
)

// attributesIn are those that a request sets. The service's own ones, which SDKs
// send back unchanged, must not be there.
type attributesIn struct {
	Enabled    *bool   `json:"enabled"`
	NotBefore  intDate `json:"nbf"`
	Expires    intDate `json:"exp"`
	Exportable *bool   `json:"exportable"`
}

// intDate is a time in seconds, or nil where it is not given.
type intDate struct{ seconds *int64 }

// UnmarshalJSON refuses null: what that would do, Azure does not say.
func (d *intDate) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return errNull
	}
	return json.Unmarshal(text, &d.seconds)
}

var errNull = errors.New("the emulator does not model a date of null")

// Limits on tags (About keys, secrets and certificates).
const (
	maxTags    = 15
	maxTagText = 256
)

// apply sets what is given on a version, and checks the whole.
func (in *attributesIn) apply(v *version) error {
	if in == nil {
		return nil
	}
	if in.Exportable != nil && *in.Exportable {
		return refuse(codeBadParameter, "the emulator does not model exportable keys")
	}
	if in.Enabled != nil {
		v.enabled = *in.Enabled
	}
	v.nbf, v.exp = cmp.Or(in.NotBefore.seconds, v.nbf), cmp.Or(in.Expires.seconds, v.exp)
	if v.nbf != nil && v.exp != nil && *v.exp <= *v.nbf {
		return refuse(codeBadParameter, "Property exp must be later than property nbf")
	}
	return nil
}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return refuse(codeBadParameter, "The number of tags must not exceed %d", maxTags)
	}
	for name, value := range tags {
		if n := utf8.RuneCountInString(name); n == 0 || n > maxTagText || utf8.RuneCountInString(value) > maxTagText {
			return refuse(codeBadParameter, "The name and the value of a tag must not exceed %d characters", maxTagText)
		}
	}
	return nil
}

// checkOps refuses operations that the key type does not have, and import beside
// others or on a key that cannot be a KEK (BYOK specification).
func checkOps(kty string, ops []string) error {
	allowed := operationsOf(kty)
	if kty == ktyRSAHSM && slices.Equal(ops, []string{opImport}) {
		return nil
	}
	for i, op := range ops {
		if !slices.Contains(allowed, op) || slices.Contains(ops[:i], op) {
			return refuse(codeBadParameter, "Unsupported key operation(s): %q. Supported values are %q.", op, allowed)
		}
	}
	return nil
}

// unmodelledPolicy refuses a release policy, which is for exportable keys.
func unmodelledPolicy(policy json.RawMessage) error {
	if len(policy) != 0 && string(policy) != "null" {
		return refuse(codeBadParameter, "the emulator does not model release_policy")
	}
	return nil
}
