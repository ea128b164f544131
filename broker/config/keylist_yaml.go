package config

import (
	"fmt"
	"reflect"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// yamlRows are the elements of the list under keys.
func (d *decoder) yamlRows(content []byte) []KeyRow {
	file, err := parser.ParseBytes(content, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil
	}
	var list *ast.SequenceNode
	for _, doc := range file.Docs {
		d.places = map[string]*token.Position{}
		d.each(doc.Body, "", func(key string, value ast.Node) {
			seq, ok := value.(*ast.SequenceNode)
			if key != "keys" || !ok || list != nil {
				d.fault(position(value), "a list of keys is a mapping with one key, keys, and a list under it")
				return
			}
			list = seq
		})
	}
	if list == nil {
		if len(d.problems.List) == 0 {
			d.fault(nil, "a list of keys is a mapping with one key, keys, and a list under it")
		}
		return nil
	}
	rows := make([]KeyRow, len(list.Values))
	for i, node := range list.Values {
		rows[i] = d.yamlRow(node, fmt.Sprintf("keys[%d]", i))
	}
	return rows
}

// yamlRow reads one row with problems of its own.
func (d *decoder) yamlRow(node ast.Node, path string) KeyRow {
	own := &decoder{dir: d.dir, places: map[string]*token.Position{}, problems: &FileError{File: d.problems.File}}
	var row KeyRow
	own.decode(node, slot{path: path, value: reflect.ValueOf(&row).Elem()})
	if at := position(node); at != nil {
		row.Line = at.Line
	}
	if len(own.problems.List) > 0 {
		row.Err = rowError(d.problems.File, row.Line, fmt.Errorf("%s", own.problems.List[0].Text))
	}
	return row
}
