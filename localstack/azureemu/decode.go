package azureemu

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// run performs one operation with the body of its request.
type run func(*call, []byte) (any, error)

// on makes a run of an operation that takes a decoded body.
func on[I any](f func(*call, I) (any, error)) run {
	return func(c *call, body []byte) (any, error) {
		var in I
		if err := decode(body, &in); err != nil {
			return nil, err
		}
		return f(c, in)
	}
}

// empty makes a run of an operation without a body. Some SDKs send one of no
// meaning, "{}", with operations that have none.
func empty(f func(*call) (any, error)) run {
	return func(c *call, body []byte) (any, error) {
		if text := bytes.TrimSpace(body); len(text) != 0 && string(text) != "{}" {
			return nil, refuse(codeBadParameter, "the operation takes no body")
		}
		return f(c)
	}
}

// decode reads a body strictly: a member that the emulator does not model is
// refused by name, because ignoring it would be a false answer.
func decode(body []byte, in any) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return refuse(codeBadParameter, "The request body is not a JSON object")
	}
	known := memberNames(reflect.TypeOf(in).Elem())
	for name := range members {
		if !slices.Contains(known, name) && !strings.EqualFold(name, "hsm") {
			return refuse(codeBadParameter, "the emulator does not model the property %s", name)
		}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return refuse(codeBadParameter, "The request body cannot be read: %v", err)
	}
	return nil
}

func memberNames(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// first is the first error of several checks.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
