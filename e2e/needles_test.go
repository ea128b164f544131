package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// forms of a secret that a search must know: as it is, by halves if it is long enough
// for that, in hex, and in both alphabets of base64 wherever it begins in a longer text.
func forms(secret []byte) [][]byte {
	parts := [][]byte{secret}
	if half := len(secret) / 2; half >= 16 {
		parts = [][]byte{secret[:half], secret[half:]}
	}
	var all [][]byte
	for _, part := range parts {
		small := hex.EncodeToString(part)
		all = append(all, part, []byte(small), []byte(strings.ToUpper(small)), []byte(url.QueryEscape(string(part))))
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for before := range 3 {
				text := e.EncodeToString(slices.Concat(make([]byte, before), part, make([]byte, 3)))
				from, to := (before*8+5)/6, (before+len(part))*8/6 // what no neighbour has a bit of
				all = append(all, []byte(text[from:to]))
			}
		}
	}
	return all
}

// holds reports which of the forms a text has.
func holds(text []byte, secret []byte) bool {
	return slices.ContainsFunc(forms(secret), func(form []byte) bool { return bytes.Contains(text, form) })
}

func TestFormsAreFound(t *testing.T) {
	t.Parallel()
	secret := []byte("\x00\x01 a secret of thirty-two byte\xff\xfe")
	for _, around := range []string{"", "x", "xy", "xyz"} {
		whole := []byte(around + string(secret) + around)
		for name, text := range map[string]string{
			"raw": string(whole), "hex": hex.EncodeToString(whole), "HEX": strings.ToUpper(hex.EncodeToString(whole)), "URL": url.QueryEscape(string(whole)),
			"base64": base64.StdEncoding.EncodeToString(whole), "base64url": base64.RawURLEncoding.EncodeToString(whole),
			"first half": string(secret[:16]), "second half": string(secret[16:]),
		} {
			if !holds([]byte(text), secret) {
				t.Errorf("%s after %q is not found", name, around)
			}
		}
	}
	if holds(bytes.ToUpper(secret), secret) || holds(nil, secret) {
		t.Error("what is not there is found")
	}
}

// filesWith lists the files below a directory in which a secret is, but for those that
// are left out by the beginning of their path.
func filesWith(t *testing.T, dir string, secret []byte, but ...string) (found []string, searched int) {
	t.Helper()
	fatal(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		leftOut := slices.ContainsFunc(but, func(b string) bool { return strings.HasPrefix(path, b) })
		if err != nil || leftOut || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		searched++
		if holds(text, secret) {
			found = append(found, path)
		}
		return err
	}))
	return found, searched
}
