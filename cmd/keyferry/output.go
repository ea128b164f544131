package main

import (
	"bufio"
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
	out := counted{to: c.p.stdout}
	if len(a.tables) == 0 {
		a.tables = []any{a.value}
	}
	w := bufio.NewWriter(&out)
	err := write(w, c.String("output"), a)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	if out.n == 0 && c.String("output") == "table" {
		c.p.say("there is nothing to show")
	}
	return nil
}

// counted counts what is written through it.
type counted struct {
	to io.Writer
	n  int
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += n
	return n, err
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
	list := reflect.ValueOf(value)
	_, whole := value.(json.Marshaler) // a slice of bytes that is JSON already, too
	if whole || list.Kind() != reflect.Slice || list.Len() == 0 {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return encode(e, value)
	}
	return writeList(w, list)
}

// writeList is the list as the encoder would write it, an element at a time: the text of a
// whole inventory is never in memory at once.
func writeList(w io.Writer, list reflect.Value) error {
	var element bytes.Buffer
	e := json.NewEncoder(&element)
	e.SetIndent("  ", "  ")
	e.SetEscapeHTML(false)
	before := "[\n  "
	for i := range list.Len() {
		element.Reset()
		if err := e.Encode(list.Index(i).Interface()); err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
		if _, err := fmt.Fprintf(w, "%s%s", before, bytes.TrimSuffix(element.Bytes(), []byte("\n"))); err != nil {
			return err
		}
		before = ",\n  "
	}
	_, err := io.WriteString(w, "\n]\n")
	return err
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
