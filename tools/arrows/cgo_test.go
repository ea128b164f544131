package arrows_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A linter sees a file only after cgo has rewritten it, so this looks at the source.
func TestCgoLivesOnlyInTheToken(t *testing.T) {
	t.Parallel()
	for _, file := range cgo(t, filepath.Join("..", "..")) {
		if !strings.HasPrefix(file, "hsm/pkcs11/") {
			t.Errorf("%s imports C: cgo lives only in hsm/pkcs11", file)
		}
	}
}

func TestCgoIsFound(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, root, "hsm/pkcs11/a.go", "package pkcs11\n\n// int x;\nimport \"C\"\n")
	write(t, root, "cmd/keyferry/b.go", "package main\n\nimport (\n\t\"C\"\n\t\"fmt\"\n)\n")
	write(t, root, "broker/c.go", "package broker\n\nimport \"crypto\"\n\nconst c = \"C\"\n")
	write(t, root, ".cache/go/d.go", "package d\n\nimport \"C\"\n")
	if got := cgo(t, root); !slices.Equal(got, []string{"cmd/keyferry/b.go", "hsm/pkcs11/a.go"}) {
		t.Errorf("found %v", got)
	}
}

// cgo lists the Go files below root that import C, but for what is cached in folders that begin with a dot.
func cgo(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			if spec.Path.Value == `"C"` {
				relative, err := filepath.Rel(root, path)
				found = append(found, filepath.ToSlash(relative))
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
