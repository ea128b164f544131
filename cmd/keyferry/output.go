package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
)

// answer is what a command says: one value, which JSON, JSON lines and YAML show
// whole, and which tables and CSV show as rows made from it.
type answer struct {
	value any
	// tables are slices of flat structs; without any, value is the table.
	tables []any
}

func formats() []string { return []string{"table", "json", "jsonl", "csv", "yaml"} }

// print writes the answer to stdout in the format that was asked for.
func (c *call) print(a answer) error {
	var out bytes.Buffer
	if len(a.tables) == 0 {
		a.tables = []any{a.value}
	}
	err := write(&out, c.String("output"), a)
	if err != nil {
		return err
	}
	if out.Len() == 0 && c.String("output") == "table" {
		c.p.say("there is nothing to show")
	}
	if _, err := c.p.stdout.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// checkOutput refuses a format before anything is done.
func (c *call) checkOutput() error {
	_, err := choice(c, "output", formats())
	return err
}

func write(w io.Writer, format string, a answer) error {
	switch format {
	case "json":
		return writeJSON(w, a.value)
	case "jsonl":
		return writeLines(w, a.value)
	case "yaml":
		return writeYAML(w, a.value)
	case "csv":
		return writeCSV(w, a.tables[0])
	default:
		return writeTables(w, a.tables)
	}
}

func writeJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return encode(e, value)
}

// writeLines is a line for each element of a list; anything else is one line.
func writeLines(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	list := reflect.ValueOf(value)
	if list.Kind() != reflect.Slice {
		return encode(e, value)
	}
	for i := range list.Len() {
		if err := encode(e, list.Index(i).Interface()); err != nil {
			return err
		}
	}
	return nil
}

// encode writes one value; an empty list is [], never null.
func encode(e *json.Encoder, value any) error {
	e.SetEscapeHTML(false)
	if v := reflect.ValueOf(value); v.Kind() == reflect.Slice && v.IsNil() {
		value = []any{}
	}
	if err := e.Encode(value); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return nil
}

// writeYAML goes through JSON, so that both have the same names.
func writeYAML(w io.Writer, value any) error {
	var text bytes.Buffer
	if err := writeJSON(&text, value); err != nil {
		return err
	}
	out, err := yaml.JSONToYAML(text.Bytes())
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	_, err = w.Write(out)
	return err
}

func writeCSV(w io.Writer, rows any) error {
	t := sheetOf(rows)
	out := csv.NewWriter(w)
	records := [][]string{t.names}
	for _, row := range t.rows {
		for i := range row {
			row[i] = inert(row[i])
		}
		records = append(records, row)
	}
	if err := out.WriteAll(records); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return nil
}

// inert keeps a spreadsheet from taking a cell for a formula.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
