package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// file of the world's directory.
func (w *world) file(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// rowsOf are the rows of an answer, by key.
func rowsOf(t *testing.T, s said) map[string]importedRow {
	t.Helper()
	var list []importedRow
	if err := json.Unmarshal([]byte(s.out), &list); err != nil {
		t.Fatalf("%v in %s", err, s.out)
	}
	rows := map[string]importedRow{}
	for _, r := range list {
		rows[r.Key] = r
	}
	return rows
}

func listOf(n int) string {
	var text strings.Builder
	text.WriteString("name,policy,spec,targets,tags\n")
	for i := range n {
		fmt.Fprintf(&text, "listed/%d,payments,,,n=%d\n", i, i)
	}
	return text.String()
}

// One bad row in many: the others are done, and it ends with 3; corrected and run
// again, only what is missing is done.
func TestImportFileDoesWhatItCan(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	good := listOf(20)
	bad := strings.Replace(good, "listed/7,payments,,", "listed/7,payments,aes-512,", 1)
	path := w.file("keys.csv", bad)
	first := w.run("import", "file", path, "--output", "json")
	if first.code != exitPartly || !strings.Contains(first.stderr, "1 of 20 keys failed, 0 were not begun") || !strings.Contains(first.stderr, "19 keys were imported") {
		t.Fatalf("%s", first)
	}
	for key, r := range rowsOf(t, first) {
		if want := key != "listed/7"; (r.State == rowDone) != want || (r.Reason == "") != want || r.Line < 2 {
			t.Errorf("%+v", r)
		}
	}
	w.file("keys.csv", good)
	second := w.run("import", "file", path, "--output", "json")
	if second.code != exitDone {
		t.Fatalf("%s", second)
	}
	for key, r := range rowsOf(t, second) {
		if want := map[bool]string{true: rowDone, false: rowBefore}[key == "listed/7"]; r.State != want || r.Operation == "" {
			t.Errorf("%+v, want %s", r, want)
		}
	}
	w.must("audit", "verify")
}

// A row that says something else than before is said, and changes nothing.
func TestImportFileSaysWhatChanged(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	path := w.file("keys.csv", listOf(3))
	w.must("import", "file", path)
	before := w.must("audit", "head").out
	w.file("keys.csv", strings.NewReplacer("n=0", "n=9", "listed/1,payments,,", "listed/1,,hmac-256,aws-test").Replace(listOf(3)))
	s := w.run("import", "file", path, "--output", "json")
	rows := rowsOf(t, s)
	if s.code != exitPartly || !strings.Contains(rows["listed/0"].Reason, `its tag n is "0", "9" was asked`) ||
		!strings.Contains(rows["listed/1"].Reason, "it has spec") || rows["listed/2"].State != rowBefore {
		t.Errorf("%s", s)
	}
	if after := w.must("audit", "head").out; after != before {
		t.Error("something was put on record")
	}
}

func TestImportFilePlansWithoutTouching(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	path := w.file("keys.csv", listOf(3)+"bad/target,payments,,mars,\n")
	before := w.must("audit", "head").out
	s := w.run("import", "file", path, "--dry-run", "--output", "jsonl")
	if s.code != exitPartly || strings.Count(s.out, `"state":"planned"`) != 3 || !strings.Contains(s.out, `"key":"bad/target","state":"failed"`) {
		t.Errorf("%s", s)
	}
	if after := w.must("audit", "head").out; after != before {
		t.Error("something was put on record")
	}
}

func TestImportFileRefusesWhatIsNoList(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	for says, args := range map[string][]string{
		"no such file or directory":     {w.dir + "/none.yaml"},
		"the column \"nam\" is unknown": {w.file("bad.csv", "nam\nx\n")},
		"there is no key in it":         {w.file("empty.yaml", "keys: []\n")},
		"--at-once: 0 is not within":    {w.file("k.csv", "name\nx\n"), "--at-once", "0"},
	} {
		if s := w.run(append([]string{"import", "file"}, args...)...); s.code != exitMisused || !strings.Contains(s.stderr, says) {
			t.Errorf("%s: %s", says, s)
		}
	}
}

// As lines: one for each key when it has ended, and one for each that could not be
// read; every failure is told on stderr too.
func TestImportFileAnswersByLine(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.failing("import", 1, broker.Denied)
	s := w.run("import", "file", w.file("keys.csv", listOf(4)+"x,,nothing,,\n"), "--at-once", "1", "--output", "jsonl")
	if s.code != exitPartly || strings.Count(s.out, "\n") != 5 || strings.Count(s.out, `"state":"failed"`) != 2 || !strings.Contains(s.stderr, "line 2: key listed/0: ") {
		t.Errorf("%s", s)
	}
}
