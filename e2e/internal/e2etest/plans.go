package e2etest

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// foundPlans is the file that the program keeps of what it found on a token.
type foundPlans struct {
	Key struct {
		Version  int    `json:"version"`
		Serial   string `json:"serial"`
		Model    string `json:"model"`
		Firmware string `json:"firmware"`
		Library  string `json:"library"`
	} `json:"key"`
	Plans json.RawMessage `json:"plans"`
	Keep  json.RawMessage `json:"keep"`
	How   json.RawMessage `json:"how"`
}

// path in the directory of a store.
func (f foundPlans) path(dir string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", f.Key))
	return filepath.Join(dir, fmt.Sprintf("plans-%x.json", sum[:8]))
}

// knowPlans lets the program know at once what it would find on the site's token: what it
// found on the first of its kind in this run of the tests. Finding it out takes seconds,
// and no two of a kind differ but in their serial.
func (s *Site) knowPlans(t *testing.T) {
	t.Helper()
	program, err := os.Stat(s.Program)
	fatal(t, err)
	first := filepath.Join(filepath.Dir(s.Program), fmt.Sprintf("plans-%s-%d.json", s.kind, program.ModTime().UnixNano()))
	text, err := os.ReadFile(first) //nolint:gosec // beside the program
	if errors.Is(err, fs.ErrNotExist) {
		s.findPlans(t, first)
		return
	}
	fatal(t, err)
	var found foundPlans
	fatal(t, json.Unmarshal(text, &found))
	found.Key.Serial = s.Token.Serial
	text, err = json.Marshal(found)
	fatal(t, err)
	fatal(t, os.WriteFile(found.path(s.Dir), text, 0o600))
}

// findPlans lets the program look, and keeps for others what it found.
func (s *Site) findPlans(t *testing.T, first string) {
	t.Helper()
	s.Run(t, "doctor", "--output", "json")
	kept, err := filepath.Glob(filepath.Join(s.Dir, "plans-*.json"))
	fatal(t, err)
	if len(kept) != 1 {
		t.Fatalf("the program keeps what it finds on a token in %v", kept)
	}
	text, err := os.ReadFile(kept[0])
	fatal(t, err)
	var found foundPlans
	fatal(t, json.Unmarshal(text, &found))
	if found.path(s.Dir) != kept[0] {
		t.Fatalf("the program keeps what it finds in %s, not in %s", kept[0], found.path(s.Dir))
	}
	half, err := os.CreateTemp(filepath.Dir(first), "plans-*") // others may look at the same time
	fatal(t, err)
	_, err = half.Write(text)
	fatal(t, errors.Join(err, half.Close(), os.Rename(half.Name(), first)))
}
