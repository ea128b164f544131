package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

// answers is what each command says in JSON. A command that is not here says
// text that no program reads.
func answers() map[string][]any {
	return map[string][]any{
		"init": {made{}}, "config check": {checked{}}, "config show": {config.Config{}},
		"token enrol": {broker.Enrolment{}}, "token show": {tokenShown{}}, "token move": {[]broker.Moved{}}, "token rotate-keeper": {broker.KeeperRotation{}}, "token trust": {trustedRow{}},
		"target enrol": {broker.Enrolment{}}, "target list": {[]targetRow{}}, "target show": {targetShown{}},
		"doctor": {broker.Diagnosis{}}, "import aws": {broker.Result{}, keyPlan{}},
		"import gcp": {broker.Result{}, keyPlan{}}, "import azure": {broker.Result{}, keyPlan{}}, "import all": {broker.Result{}, keyPlan{}}, "import file": {[]importedRow{}, listPlan{}},
		"key list": {[]keyRow{}}, "key show": {broker.KeyView{}}, "key versions": {[]versionRow{}},
		"activate": {broker.Result{}, broker.Intended{}}, "renew": {broker.Result{}, broker.Intended{}},
		"verify": {[]broker.Check{}, []placementRow{}}, "inventory": {[]placementRow{}, []broker.Orphan{}},
		"operation list": {[]operationRow{}}, "operation show": {operationShown{}},
		"operation resume": {broker.Result{}, broker.OperationView{}, resumedRow{}}, "operation abort": {broker.Aborted{}},
		"audit list": {[]broker.Entry{}}, "audit verify": {broker.AuditReport{}}, "audit head": {headShown{}},
		"orphan remove": {broker.OrphanRemoval{}}, "store backup": {backedUp{}}, "store recover": {broker.Recovered{}}, "version": {versionShown{}}, "completion": nil,
	}
}

// TestJSONNamesAreStable: scripts of others read them. UPDATE=1 rewrites the file;
// a line that goes away or changes breaks somebody.
func TestJSONNamesAreStable(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	known := answers()
	each(newProgram().app().Commands, func(path string, _ *cli.Command) {
		values, ok := known[path]
		if !ok {
			t.Errorf("keyferry %s is not in answers()", path)
		}
		for _, v := range values {
			got.WriteString("keyferry " + path + ": " + reflect.TypeOf(v).String() + "\n")
		}
	})
	got.WriteString("\n")
	seen := map[reflect.Type]bool{}
	for _, path := range slices.Sorted(maps.Keys(known)) {
		for _, v := range known[path] {
			describe(&got, reflect.TypeOf(v), seen)
		}
	}
	golden(t, "testdata/fields.golden", got.Bytes())
}

// describe writes the JSON names of a type, and of the types in it.
func describe(out *bytes.Buffer, t reflect.Type, seen map[reflect.Type]bool) {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] || t == reflect.TypeFor[time.Time]() {
		return
	}
	seen[t] = true
	var inner []reflect.Type
	for _, f := range reflect.VisibleFields(t) {
		name := f.Tag.Get("json")
		if name == "-" || f.Anonymous {
			continue
		}
		if name == "" {
			name = "UNNAMED " + f.Name
		}
		out.WriteString(t.String() + "\t" + name + "\t" + f.Type.String() + "\n")
		inner = append(inner, f.Type)
	}
	for _, f := range inner {
		describe(out, f, seen)
	}
}

// golden compares with a file, or writes it with UPDATE=1.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (UPDATE=1 rewrites it, look at the difference first):\n%s", path, diff)
	}
}

func TestEveryNameInJSONIsSnakeCase(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/fields.golden")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "\t")
		if len(cells) != 3 {
			continue
		}
		name, _, _ := strings.Cut(cells[1], ",")
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Errorf("%s is not snake_case", line)
		}
	}
}

func TestAllFormatsSayTheSame(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.must("import", "aws", "payments/db", "--policy", "payments", "--owner", "=cmd()")
	w.must(args("import aws payments/web --policy payments")...)
	for _, line := range []string{"inventory", "key list", "operation list", "key versions payments/db", "target list"} {
		rows := asks[[]map[string]any](w, args(line)...)
		yamlOut := w.must(append(args(line), "--output", "yaml")...).out
		var fromYAML []map[string]any
		if err := yaml.Unmarshal([]byte(yamlOut), &fromYAML); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		same(t, line+" yaml", rows, fromYAML)
		var fromLines []map[string]any
		for l := range strings.Lines(w.must(append(args(line), "--output", "jsonl")...).out) {
			var one map[string]any
			if err := json.Unmarshal([]byte(l), &one); err != nil {
				t.Errorf("%s: %v in %s", line, err, l)
			}
			fromLines = append(fromLines, one)
		}
		same(t, line+" jsonl", rows, fromLines)
		records, err := csv.NewReader(strings.NewReader(w.must(append(args(line), "--output", "csv")...).out)).ReadAll()
		if err != nil || len(records) != len(rows)+1 {
			t.Errorf("%s csv: %d records, %v, want %d", line, len(records), err, len(rows)+1)
		}
		table := w.must(args(line)...).out
		if n := strings.Count(table, "\n"); n != len(rows)+1 || strings.Contains(table, "\x1b") {
			t.Errorf("%s table has %d lines:\n%s", line, n, table)
		}
	}
	if out := w.must(args("key list --output csv")...).out; !strings.Contains(out, ",'=cmd(),") {
		t.Errorf("a spreadsheet would run this:\n%s", out)
	}
}

func same(t *testing.T, what string, a, b []map[string]any) {
	t.Helper()
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	if errX != nil || errY != nil || string(x) != string(y) {
		t.Errorf("%s differs:\n%s", what, cmp.Diff(string(x), string(y)))
	}
}

func TestYAMLKeepsTextText(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	in := map[string]string{"a": "000000000000", "b": "1e3", "c": "no", "d": "2026-11-24", "e": "null", "f": "a: b", "g": "~", "h": "", "i": "- x"}
	if err := write(&out, "yaml", answer{value: in}); err != nil {
		t.Fatal(err)
	}
	var back map[string]string
	if err := yaml.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, back); diff != "" {
		t.Errorf("%s\n%s", diff, out.String())
	}
}

func TestEmptyListsAreLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	for _, line := range []string{"key list", "inventory", "operation list", "audit list"} {
		for format, want := range map[string]string{"json": "[]\n", "jsonl": "", "yaml": "[]\n", "table": ""} {
			if got := w.must(append(args(line), "--output", format)...).out; got != want {
				t.Errorf("%s as %s is %q, want %q", line, format, got, want)
			}
		}
		if got := w.must(append(args(line), "--output", "csv")...).out; strings.Count(got, "\n") != 1 {
			t.Errorf("%s as csv is %q, want its header", line, got)
		}
	}
	if s := w.must(args("key list")...); !strings.Contains(s.stderr, "nothing to show") {
		t.Errorf("an empty table says %s", s)
	}
}

func TestControlCharactersNeverReachTheTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := write(&out, "table", answer{tables: []any{[]fact{{"name", "a\x1b[2Jb\r\u009bc"}}}})
	if err != nil || strings.ContainsAny(out.String(), "\x1b\r\u009b") || !strings.Contains(out.String(), "a?[2Jb??c") {
		t.Errorf("table is %q, %v", out.String(), err)
	}
}

// A list that is written an element at a time is what the encoder would have made of it.
func TestListsAreWrittenAsTheEncoderDoes(t *testing.T) {
	t.Parallel()
	type row struct {
		Name string            `json:"name"`
		Tags map[string]string `json:"tags"`
	}
	for _, value := range []any{
		[]row{},
		[]row(nil),
		[]row{{}},
		[]row{{"a<b", nil}, {"c", map[string]string{"k": "v"}}, {}},
		[]string{"x", "y"},
		[][]int{{1, 2}, {}, nil},
		json.RawMessage(`{"a":[1,2]}`),
		[]*row{nil},
		row{"alone", nil},
	} {
		var want, got bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetIndent("", "  ")
		if err := errors.Join(encode(e, value), writeJSON(&got, value)); err != nil || got.String() != want.String() {
			t.Errorf("%v: %v\n%s\nthe encoder writes\n%s", value, err, &got, &want)
		}
	}
}
