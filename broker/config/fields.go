package config

import (
	"reflect"
	"slices"
	"strings"
)

// fields are the keys of one mapping, in the order of its type.
type fields []reflect.StructField

func fieldsOf(t reflect.Type) fields {
	var list fields
	for _, f := range reflect.VisibleFields(t) {
		if name(f) != "-" {
			list = append(list, f)
		}
	}
	return list
}

// name of a field in the file.
func name(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return key
}

// of the provider: what has no meaning at its targets is left out.
func (fs fields) of(provider string) fields {
	return slices.DeleteFunc(slices.Clone(fs), func(f reflect.StructField) bool {
		at := strings.Fields(f.Tag.Get("for"))
		return len(at) > 0 && !slices.Contains(at, provider)
	})
}

func (fs fields) find(key string) (reflect.StructField, bool) {
	for _, f := range fs {
		if name(f) == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func (fs fields) names() []string {
	out := make([]string, len(fs))
	for i, f := range fs {
		out[i] = name(f)
	}
	return out
}
