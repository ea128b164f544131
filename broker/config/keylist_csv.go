package config

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// csvRows are the records after the first, which names the columns.
func (d *decoder) csvRows(content []byte) []KeyRow {
	r := csv.NewReader(bytes.NewReader(content))
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if err != nil {
		d.fault(nil, "its first line must name the columns: %s", strings.Join(columns().names(), ", "))
		return nil
	}
	if d.badHeader(header); len(d.problems.List) > 0 {
		return nil
	}
	var rows []KeyRow
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows
		}
		rows = append(rows, d.csvRow(r, header, record, err))
	}
}

// columns are the fields of a row.
func columns() fields { return fieldsOf(reflect.TypeFor[KeyRow]()) }

func (d *decoder) badHeader(header []string) {
	known := columns().names()
	for i, name := range header {
		switch {
		case !slices.Contains(known, name):
			d.fault(nil, "line 1: the column %.80q is unknown; %s", name, orNear(name, known))
		case slices.Contains(header[:i], name):
			d.fault(nil, "line 1: the column %s is there twice", name)
		}
	}
	if !slices.Contains(header, "name") {
		d.fault(nil, "line 1: the column name is missing")
	}
}

func (d *decoder) csvRow(r *csv.Reader, header, record []string, err error) KeyRow {
	var row KeyRow
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		row.Line, err = bad.StartLine, bad.Err
	} else {
		row.Line, _ = r.FieldPos(0)
	}
	if err == nil && len(record) != len(header) {
		err = fmt.Errorf("it has %d columns, the first line %d", len(record), len(header))
	}
	for i := 0; err == nil && i < len(record); i++ {
		err = row.set(header[i], record[i])
	}
	if err == nil && row.Name == "" {
		err = errors.New("name is missing")
	}
	if err != nil {
		row.Err = rowError(d.problems.File, row.Line, err)
	}
	return row
}

// set puts one cell into its field; several targets and tags are parted by spaces.
func (row *KeyRow) set(column, cell string) error {
	f, _ := columns().find(column)
	at := reflect.ValueOf(row).Elem().FieldByIndex(f.Index)
	if cell == "" {
		return nil
	}
	switch at.Kind() {
	case reflect.Slice:
		at.Set(reflect.ValueOf(strings.Fields(cell)))
	case reflect.Map:
		tags := map[string]string{}
		for pair := range strings.FieldsSeq(cell) {
			name, value, ok := strings.Cut(pair, "=")
			if !ok || name == "" {
				return fmt.Errorf("%s: %.80q is not NAME=VALUE", column, pair)
			}
			tags[name] = value
		}
		at.Set(reflect.ValueOf(tags))
	default:
		if words := choices(at.Type(), f.Tag); len(words) > 0 && !slices.Contains(words, cell) {
			return fmt.Errorf("%s: %.80q is unknown; %s", column, cell, orNear(cell, words))
		}
		at.SetString(cell)
	}
	return nil
}
