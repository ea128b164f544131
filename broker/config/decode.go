package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/keyferry/keyferry/broker"
)

// decoder fills the types from a YAML tree. Unlike a library's, it goes on after a
// problem and knows where everything was.
type decoder struct {
	dir      string // that relative paths are relative to
	problems *FileError
	places   map[string]*token.Position // "targets[1].name" → where
}

// slot is a place for one value, with the tags of the field it belongs to.
type slot struct {
	path  string
	value reflect.Value
	tag   reflect.StructTag
}

func (d *decoder) fault(at *token.Position, format string, args ...any) {
	p := Problem{Text: fmt.Sprintf(format, args...)}
	if at != nil {
		p.Line, p.Column = at.Line, at.Column
	}
	d.problems.List = append(d.problems.List, p)
}

// faultAt reports a problem of what was read at a path.
func (d *decoder) faultAt(path, format string, args ...any) {
	at := d.places[path]
	for parent := path; at == nil && parent != ""; at = d.places[parent] {
		parent = parent[:max(strings.LastIndexAny(parent, ".["), 0)]
	}
	d.fault(at, format, args...)
}

// secret reports whether what is at a path may be a PIN and is never repeated.
func (s slot) secret() bool { return strings.HasPrefix(s.path, "token.pin") }

// quoted is a value for a message.
func (s slot) quoted(text string) string {
	if s.secret() {
		return "the value"
	}
	return fmt.Sprintf("%.80q", userinfo().ReplaceAllString(text, "://…@"))
}

// userinfo of a URL, where people put passwords (RFC 3986 §3.2.1).
var userinfo = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`://.*@`) })

// decode fills one slot.
func (d *decoder) decode(node ast.Node, s slot) {
	at := position(node)
	d.places[s.path] = at
	switch node.Type() {
	case ast.AnchorType, ast.AliasType, ast.TagType, ast.MergeKeyType:
		d.fault(at, "%s: anchors, aliases and tags are not used here", s.path)
		return
	case ast.NullType:
		d.fault(at, "%s has no value", s.path)
		return
	default:
	}
	switch {
	case s.value.Type() == reflect.TypeFor[Duration]():
		d.duration(node, s)
	case s.value.Type() == reflect.TypeFor[Quotas]():
		d.quotas(node, s)
	case s.value.Kind() == reflect.Pointer:
		s.value.Set(reflect.New(s.value.Type().Elem()))
		s.value = s.value.Elem()
		d.decode(node, s)
	case s.value.Kind() == reflect.Struct:
		d.mapping(node, s)
	case s.value.Kind() == reflect.Slice:
		d.sequence(node, s)
	case s.value.Kind() == reflect.Map:
		d.stringMap(node, s)
	default:
		d.scalar(node, s)
	}
}

func position(node ast.Node) *token.Position {
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 {
		node = m.Values[0].Key
	}
	if m, ok := node.(*ast.MappingValueNode); ok {
		node = m.Key
	}
	if t := node.GetToken(); t != nil {
		return t.Position
	}
	return nil
}

// entries of a mapping; ok is false for anything else.
func entries(node ast.Node) (values []*ast.MappingValueNode, ok bool) {
	switch m := node.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	default:
		return nil, false
	}
}

// each calls f with every key of a mapping once.
func (d *decoder) each(node ast.Node, path string, f func(key string, value ast.Node)) bool {
	values, ok := entries(node)
	if !ok {
		return false
	}
	seen := map[string]*token.Position{}
	for _, v := range values {
		key, ok := text(v.Key)
		switch {
		case !ok:
			d.fault(position(v.Key), "%s: a key must be a plain word", strings.TrimPrefix(path, "."))
		case seen[key] != nil:
			d.fault(position(v.Key), "%s is there twice; first in line %d", join(path, key), seen[key].Line)
		default:
			seen[key] = position(v.Key)
			f(key, v.Value)
		}
	}
	return true
}

func (d *decoder) sequence(node ast.Node, s slot) {
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		d.fault(position(node), "%s must be a list%s", s.path, map[bool]string{true: ": [" + s.tag.Get("doc") + "]", false: ""}[s.secret()])
		return
	}
	list := reflect.MakeSlice(s.value.Type(), len(seq.Values), len(seq.Values))
	for i, v := range seq.Values {
		d.decode(v, slot{path: fmt.Sprintf("%s[%d]", s.path, i), value: list.Index(i), tag: s.tag})
	}
	s.value.Set(list)
}

func (d *decoder) stringMap(node ast.Node, s slot) {
	out := map[string]string{}
	ok := d.each(node, s.path, func(key string, value ast.Node) {
		v, ok := text(value)
		if !ok {
			d.fault(position(value), "%s must be text", join(s.path, key))
			return
		}
		d.places[join(s.path, key)] = position(value)
		out[key] = v
	})
	if !ok {
		d.fault(position(node), "%s must be a mapping of words to texts", s.path)
		return
	}
	s.value.Set(reflect.ValueOf(out))
}

func (d *decoder) duration(node ast.Node, s slot) {
	word, _ := text(node)
	v, err := ParseDuration(word)
	if err != nil {
		d.fault(position(node), "%s: %s is not %s", s.path, s.quoted(word), durationWords)
		return
	}
	s.value.Set(reflect.ValueOf(v))
}

func (d *decoder) scalar(node ast.Node, s slot) {
	word, ok := text(node)
	if !ok {
		d.fault(position(node), "%s must be one value, not a list or mapping", s.path)
		return
	}
	if !d.allowed(node, s, word) {
		return
	}
	switch s.value.Kind() {
	case reflect.Bool:
		b, ok := node.(*ast.BoolNode)
		if !ok {
			d.fault(position(node), "%s must be true or false, not %s", s.path, s.quoted(word))
			return
		}
		s.value.SetBool(b.Value)
	case reflect.Int:
		n, err := strconv.Atoi(word)
		if err != nil {
			d.fault(position(node), "%s must be a number, not %s", s.path, s.quoted(word))
			return
		}
		s.value.SetInt(int64(n))
	default:
		if s.value.Type() == reflect.TypeFor[Path]() {
			word = d.path(node, s, word)
		}
		s.value.SetString(word)
	}
}

// allowed holds a word against the field's tags, or the list its type has.
func (d *decoder) allowed(node ast.Node, s slot, word string) bool {
	words := choices(s.value.Type(), s.tag)
	if len(words) > 0 {
		if slices.Contains(words, word) {
			return true
		}
		d.fault(position(node), "%s: %s is unknown; %s", s.path, s.quoted(word), orNear(word, words))
		return false
	}
	if form := s.tag.Get("match"); form != "" && !regexp.MustCompile(`^(?:`+form+`)$`).MatchString(word) {
		d.fault(position(node), "%s: %s is not %s", s.path, s.quoted(word), s.tag.Get("words"))
		return false
	}
	return true
}

// path is made absolute.
func (d *decoder) path(node ast.Node, s slot, word string) string {
	switch {
	case word == "":
		d.fault(position(node), "%s is empty", s.path)
		return ""
	case strings.HasPrefix(word, "~"):
		d.fault(position(node), "%s: ~ means nothing here; write the whole path", s.path)
		return ""
	case filepath.IsAbs(word):
		return filepath.Clean(word)
	default:
		return filepath.Join(d.dir, word)
	}
}

// choices are the words a field may have; none means that any will do.
func choices(t reflect.Type, tag reflect.StructTag) []string {
	switch t {
	case reflect.TypeFor[broker.KeySpec]():
		return words(broker.KeySpecs())
	case reflect.TypeFor[broker.Purpose]():
		return words([]broker.Purpose{broker.Encrypt, broker.RawEncrypt, broker.MAC, broker.Sign, broker.Decrypt, broker.Agree})
	case reflect.TypeFor[broker.Retain]():
		return words(broker.Retains())
	case reflect.TypeFor[broker.Mechanism]():
		return words(broker.Mechanisms())
	default:
		return strings.Fields(tag.Get("oneof"))
	}
}

func words[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// text of a scalar as it was written: an account of digits stays as it is.
func text(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, true
	default:
		return "", false
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func in(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}
