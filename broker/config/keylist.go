package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// KeyRow is one key of a list of keys to import. As everywhere here, the json tag is
// the key in YAML, and the column in CSV.
type KeyRow struct {
	Name    string            `json:"name" need:"yes" doc:"the key's name"`
	Policy  string            `json:"policy,omitempty" doc:"the key's policy; that of the command if left out"`
	Spec    broker.KeySpec    `json:"spec,omitempty" doc:"type and size, where the policy leaves it open"`
	Purpose broker.Purpose    `json:"purpose,omitempty" doc:"where the policy leaves it open; the spec's usual one if left out"`
	Targets []string          `json:"targets,omitempty" doc:"names of targets; the command's, or the policy's, if left out"`
	Retain  broker.Retain     `json:"retain,omitempty" doc:"what happens to the token's copy after the last proof"`
	ValidTo string            `json:"valid_to,omitempty" doc:"when it ends: 2027-01-31, 2027-01-31T12:00:00Z or 90d"`
	Object  string            `json:"object,omitempty" doc:"the CKA_ID of a key that lives in the token already"`
	Owner   string            `json:"owner,omitempty" doc:"who answers for the key"`
	Tags    map[string]string `json:"tags,omitempty" doc:"words for the key, each with a value"`

	// Line of the file that it begins in, from 1.
	Line int `json:"-"`
	// Err is why the row cannot be used: Misuse, and it names the place. The other rows
	// of the list can.
	Err error `json:"-"`
}

// maxList is the most bytes that a list of keys may have: some hundred thousand keys.
const maxList = 64 << 20

// ParseKeys reads a list of keys: CSV where the name of the file ends in .csv, else YAML
// with the list under keys. What is wrong with one row is in that row; the error, Misuse
// with *FileError, is about the file as a whole.
func ParseKeys(path string, content []byte) ([]KeyRow, error) {
	d := &decoder{dir: filepath.Dir(path), problems: &FileError{File: path}}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")) // as spreadsheets begin a file
	var rows []KeyRow
	switch {
	case len(content) > maxList:
		d.fault(nil, "the file has %d bytes, %d are allowed", len(content), maxList)
	case strings.EqualFold(filepath.Ext(path), ".csv"):
		rows = d.csvRows(content)
	default:
		rows = d.yamlRows(content)
	}
	if len(rows) == 0 && len(d.problems.List) == 0 {
		d.fault(nil, "there is no key in it")
	}
	if len(d.problems.List) > 0 {
		return nil, &broker.Error{Kind: broker.Misuse, Op: "read list of keys", Cause: d.problems, Hint: "correct the file: keyferry import file --help has one"}
	}
	refuseTwice(path, rows)
	return rows, nil
}

// refuseTwice: the first row of a name counts.
func refuseTwice(path string, rows []KeyRow) {
	first := map[string]int{}
	for i := range rows {
		r := &rows[i]
		if line, there := first[r.Name]; there && r.Err == nil {
			r.Err = rowError(path, r.Line, fmt.Errorf("%.80q is there twice; first in line %d", r.Name, line))
		} else if r.Err == nil {
			first[r.Name] = r.Line
		}
	}
}

func rowError(path string, line int, why error) error {
	return &broker.Error{Kind: broker.Misuse, Op: "read", Object: fmt.Sprintf("%s:%d", path, line), Cause: why, Hint: "correct the row, and run the same command again"}
}
