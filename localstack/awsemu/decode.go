package awsemu

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// run performs one action with the JSON of its input.
type run func(*call, []byte) (any, error)

// on makes a run of an action that takes a decoded input.
func on[I any](f func(*call, I) (any, error)) run {
	return func(c *call, body []byte) (any, error) {
		var in I
		if err := decode(body, &in); err != nil {
			return nil, err
		}
		return f(c, in)
	}
}

// decode reads an input strictly: a member that the emulator does not model is
// refused by name, because ignoring it would be a false answer.
func decode(body []byte, in any) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return refuse(codeSerialization, "the body is not a JSON object")
	}
	known := memberNames(reflect.TypeOf(in).Elem())
	for name := range members {
		if !slices.Contains(known, name) {
			return refuse(codeUnsupported, "the emulator does not model the parameter %s", name)
		}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return refuse(codeSerialization, "%v", err)
	}
	return nil
}

func memberNames(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		names = append(names, name)
	}
	return names
}

func checkLength(name string, n, least, most int) error {
	if n < least || n > most {
		return refuse(codeValidation, "Value at '%s' failed to satisfy constraint: length %d is not within %d..%d", name, n, least, most)
	}
	return nil
}

func checkEnum(name, value string, allowed ...string) error {
	if !slices.Contains(allowed, value) {
		return refuse(codeValidation, "Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: %v", value, name, allowed)
	}
	return nil
}

func checkPattern(name, value, pattern string) error {
	if !regexp.MustCompile(pattern).MatchString(value) {
		return refuse(codeValidation, "Value '%s' at '%s' failed to satisfy constraint: it must match %s", value, name, pattern)
	}
	return nil
}
