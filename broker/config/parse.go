package config

import (
	"errors"
	"path/filepath"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxSize of a file: a config is small, and YAML is not cheap to read.
const maxSize = 1 << 20

// Parse reads the text of the file at path, which relative paths are relative to.
// Its error is Misuse and holds *FileError. It reads no other file.
func Parse(path string, text []byte) (*Config, error) {
	d := &decoder{
		dir: filepath.Dir(path), places: map[string]*token.Position{},
		problems: &FileError{File: path},
	}
	c := &Config{Path: path}
	if body := d.parse(text); body != nil {
		d.decode(body, slot{value: reflect.ValueOf(c).Elem()})
		d.check(c)
	}
	if err := d.problems.failure(); err != nil {
		return nil, err
	}
	return c, nil
}

// parse is the tree of the one document; nil after a fault.
func (d *decoder) parse(text []byte) ast.Node {
	if len(text) > maxSize {
		d.fault(nil, "the file has %d bytes, %d are allowed", len(text), maxSize)
		return nil
	}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType:
		case body != nil:
			d.fault(position(doc.Body), "a second document begins here; one is allowed")
		default:
			body = doc.Body
		}
	}
	if body == nil {
		d.fault(nil, "the file is empty; keyferry init makes one to start from")
		return nil
	}
	if _, ok := entries(body); !ok {
		d.fault(position(body), "the file must be a mapping with the keys store, token, targets and policies")
		return nil
	}
	return body
}

// syntax reports what the YAML parser refused, without the source: it may hold
// what must not be repeated.
func (d *decoder) syntax(err error) {
	var bad yaml.Error
	if !errors.As(err, &bad) {
		d.fault(nil, "not YAML")
		return
	}
	var at *token.Position
	if t := bad.GetToken(); t != nil {
		at = t.Position
	}
	d.fault(at, "not YAML: %s", bad.GetMessage())
}
