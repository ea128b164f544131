package config

import (
	"reflect"
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
