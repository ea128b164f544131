package arrows_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The product asks for TLS 1.2 or later wherever it speaks TLS, and has no way to leave
// verification out, nor one to look at a certificate in a way of its own.
func TestTLSIsVerifiedEverywhere(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	for _, place := range laxTLS(t, root) {
		t.Error(place)
	}
	if n := len(shipped(t, root)); n < 200 {
		t.Errorf("%d files were looked at: the product has more", n)
	}
}

func TestLaxTLSIsFound(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, root, "providers/a/a.go", "package a\n\nimport \"crypto/tls\"\n\nvar a = &tls.Config{MinVersion: tls.VersionTLS12}\n")
	write(t, root, "providers/a/b.go", "package a\n\nimport \"crypto/tls\"\n\nvar b = tls.Config{}\n")
	write(t, root, "providers/a/c.go", "package a\n\nimport \"crypto/tls\"\n\nvar c = tls.Config{MinVersion: tls.VersionTLS11}\n")
	write(t, root, "cmd/keyferry/d.go", "package main\n\nfunc d(c *config) { c.InsecureSkipVerify = true }\n")
	write(t, root, "hsm/e.go", "package hsm\n\nfunc e(c *config) { c.VerifyConnection, c.MaxVersion = nil, 0 }\n")
	write(t, root, "providers/a/a_test.go", "package a\n\nvar f = config{InsecureSkipVerify: true}\n")
	write(t, root, "localstack/g.go", "package localstack\n\nvar g = config{InsecureSkipVerify: true}\n")
	write(t, root, "providers/providertest/h.go", "package providertest\n\nvar h = config{InsecureSkipVerify: true}\n")
	want := []string{
		"cmd/keyferry/d.go:3: InsecureSkipVerify", "hsm/e.go:3: MaxVersion", "hsm/e.go:3: VerifyConnection",
		"providers/a/b.go:5: tls.Config without MinVersion: tls.VersionTLS12", "providers/a/c.go:5: tls.Config without MinVersion: tls.VersionTLS12",
	}
	if got := laxTLS(t, root); !slices.Equal(got, want) {
		t.Errorf("found %q", got)
	}
}

// laxTLS is every place in what ships below root that weakens TLS.
func laxTLS(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	for _, file := range shipped(t, root) {
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, filepath.Join(root, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if why := lax(n); why != "" {
				found = append(found, fmt.Sprintf("%s:%d: %s", file, set.Position(n.Pos()).Line, why))
			}
			return true
		})
	}
	slices.Sort(found)
	return found
}

func lax(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Ident:
		switch n.Name {
		case "InsecureSkipVerify", "VerifyPeerCertificate", "VerifyConnection", "MaxVersion":
			return n.Name
		}
	case *ast.CompositeLit:
		if name, ok := n.Type.(*ast.SelectorExpr); ok && selected(name) == "tls.Config" && !slices.ContainsFunc(n.Elts, asksForTLS12) {
			return "tls.Config without MinVersion: tls.VersionTLS12"
		}
	}
	return ""
}

func asksForTLS12(e ast.Expr) bool {
	pair, ok := e.(*ast.KeyValueExpr)
	if !ok {
		return false
	}
	key, isName := pair.Key.(*ast.Ident)
	value, isSelector := pair.Value.(*ast.SelectorExpr)
	return isName && isSelector && key.Name == "MinVersion" && slices.Contains([]string{"tls.VersionTLS12", "tls.VersionTLS13"}, selected(value))
}

func selected(s *ast.SelectorExpr) string {
	if of, ok := s.X.(*ast.Ident); ok {
		return of.Name + "." + s.Sel.Name
	}
	return ""
}

// shipped lists the Go files of the product: no tests, no emulators, nothing that is
// there for tests.
func shipped(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	for _, top := range []string{"broker", "cmd/keyferry", "hsm", "providers"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil // a folder that the test's own root has not
			case err != nil:
				return err
			case entry.IsDir() && (strings.HasSuffix(entry.Name(), "test") || entry.Name() == "softtoken"):
				return fs.SkipDir
			case entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			relative, err := filepath.Rel(root, path)
			files = append(files, filepath.ToSlash(relative))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}
