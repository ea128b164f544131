package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// mapping fills a struct. Of a target, only the keys of its provider are known.
func (d *decoder) mapping(node ast.Node, s slot) {
	provider := providerIn(node, s)
	all := fieldsOf(s.value.Type())
	known := all
	if provider != "" {
		known = all.of(provider)
	}
	ok := d.each(node, s.path, func(key string, value ast.Node) {
		if f, ok := known.find(key); ok {
			d.decode(value, slot{path: join(s.path, key), value: s.value.FieldByIndex(f.Index), tag: f.Tag})
			return
		}
		at := d.keyPosition(node, key)
		if f, ok := all.find(key); ok {
			d.fault(at, "%s: a target of %s has no %s, which belongs to %s; allowed: %s", join(s.path, key), provider, key,
				strings.Join(strings.Fields(f.Tag.Get("for")), " and "), strings.Join(known.names(), ", "))
			return
		}
		d.fault(at, "unknown key %q%s; %s", key, in(s.path), orNear(key, known.names()))
	})
	switch {
	case !ok && s.value.Type() == reflect.TypeFor[Pin]():
		d.fault(position(node), "%s: a PIN is never in the config; say where it comes from: %s", s.path, strings.Join(known.names(), ", "))
	case !ok:
		d.fault(position(node), "%s must be a mapping with the keys %s", s.path, strings.Join(known.names(), ", "))
	default:
		d.needed(node, s, all.of(provider))
	}
}

// needed reports what is missing.
func (d *decoder) needed(node ast.Node, s slot, fields fields) {
	for _, f := range fields {
		if _, there := d.places[join(s.path, name(f))]; !there && f.Tag.Get("need") != "" {
			d.fault(position(node), "%s is missing: %s", join(s.path, name(f)), f.Tag.Get("doc"))
		}
	}
}

// providerIn is the provider of the target that a mapping is, wherever in it that
// stands; "" where it is none, or says none that there is.
func providerIn(node ast.Node, s slot) string {
	if s.value.Type() != reflect.TypeFor[Target]() {
		return ""
	}
	values, _ := entries(node)
	for _, v := range values {
		if key, _ := text(v.Key); key != "provider" {
			continue
		}
		if word, _ := text(v.Value); slices.Contains(providers(), word) {
			return word
		}
	}
	return ""
}

func (d *decoder) keyPosition(node ast.Node, key string) *token.Position {
	values, _ := entries(node)
	for _, v := range values {
		if k, _ := text(v.Key); k == key {
			return position(v.Key)
		}
	}
	return position(node)
}
