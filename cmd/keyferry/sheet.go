package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// sheet is rows of cells. A column is a field of the row's type: its json name. With
// the tag table:"-" it is left out of tables for people, with table:"filled" where it
// is empty in every row.
type sheet struct {
	names []string
	shown []int // columns of a table
	rows  [][]string
}

// sheetOf makes a sheet of a slice of flat structs, or of one of them; one that is
// made already stays.
func sheetOf(value any) sheet {
	if made, ok := value.(sheet); ok {
		return made
	}
	list := reflect.ValueOf(value)
	if list.Kind() != reflect.Slice {
		one := reflect.MakeSlice(reflect.SliceOf(list.Type()), 0, 1)
		list = reflect.Append(one, list)
	}
	var t sheet
	fields := columns(list.Type().Elem())
	for i := range list.Len() {
		var row []string
		for _, f := range fields {
			row = append(row, fieldCell(list.Index(i).FieldByIndex(f.Index), f))
		}
		t.rows = append(t.rows, row)
	}
	for i, f := range fields {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		t.names = append(t.names, name)
		if tag := f.Tag.Get("table"); tag != "-" && (tag != "filled" || t.filled(i)) {
			t.shown = append(t.shown, i)
		}
	}
	return t
}

// filled reports whether a column has anything in it.
func (t sheet) filled(column int) bool {
	return slices.ContainsFunc(t.rows, func(row []string) bool { return row[column] != "" })
}

func columns(t reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("json"); name != "" && name != "-" && f.IsExported() {
			out = append(out, f)
		}
	}
	return out
}

// fieldCell is empty for what JSON would leave out.
func fieldCell(v reflect.Value, f reflect.StructField) string {
	if v.IsZero() && strings.Contains(f.Tag.Get("json"), ",omit") {
		return ""
	}
	return cell(v)
}

// cell is a value as text; what has no short form is JSON.
func cell(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Time:
		if x.IsZero() {
			return ""
		}
		return x.UTC().Format(time.RFC3339)
	case []string:
		return strings.Join(x, " ")
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	case map[string]string:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(x)) {
			parts = append(parts, k+"="+x[k])
		}
		return strings.Join(parts, " ")
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Map, reflect.Pointer:
		text, err := json.Marshal(v.Interface())
		if err != nil {
			return err.Error()
		}
		return string(text)
	default:
		return fmt.Sprint(v.Interface())
	}
}

// writeTables writes one table after the other; an empty one is left out.
func writeTables(w io.Writer, tables []any) error {
	written := 0
	for _, rows := range tables {
		t := sheetOf(rows)
		if len(t.rows) == 0 {
			continue
		}
		if written > 0 {
			fmt.Fprintln(w)
		}
		written++
		writeTable(w, t)
	}
	return nil
}

func writeTable(w io.Writer, t sheet) {
	out := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	out.SetStyle(style)
	out.SuppressTrailingSpaces()
	var header table.Row
	for _, i := range t.shown {
		header = append(header, strings.ReplaceAll(t.names[i], "_", " "))
	}
	out.AppendHeader(header)
	for _, cells := range t.rows {
		var row table.Row
		for _, i := range t.shown {
			row = append(row, printable(cells[i]))
		}
		out.AppendRow(row)
	}
	fmt.Fprintln(w, out.Render())
}

// printable keeps what a provider or a person wrote from moving the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
