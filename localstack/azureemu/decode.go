package azureemu

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
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
	if name := unknown(body, reflect.TypeOf(in)); name != "" {
		return refuse(codeBadParameter, "the emulator does not model the property %s", name)
	}
	if err := json.Unmarshal(body, in); err != nil {
		return refuse(codeBadParameter, "The request body cannot be read: %v", err)
	}
	return nil
}

// unknown is the name of a member that t has not, at any depth; "" for none. It is
// exact where encoding/json takes any case; so may the one member be that the API
// spells in two ways, Hsm.
func unknown(text []byte, t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		return unknownMember(text, t)
	case reflect.Slice:
		var elements []json.RawMessage
		_ = json.Unmarshal(text, &elements) // what is no list is refused when it is read
		for _, e := range elements {
			if name := unknown(e, t.Elem()); name != "" {
				return name
			}
		}
	default:
	}
	return ""
}

func unknownMember(text []byte, t reflect.Type) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil { // refused when it is read
		return ""
	}
	known := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known[name] = f.Type
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		inner, ok := known[name]
		if _, flag := known["Hsm"]; flag && strings.EqualFold(name, "Hsm") {
			continue
		}
		if !ok {
			return cmp.Or(name, `""`) // a member's name may be empty
		}
		if below := unknown(members[name], inner); below != "" {
			return name + "." + below
		}
	}
	return ""
}
