// Package softtoken makes throw-away PKCS#11 tokens in software, for tests and the demo: SoftHSM, and Kryoptic as a second opinion.
//
// A module reads where its tokens are from the environment of its process (SOFTHSM2_CONF, KRYOPTIC_CONF), once, at C_Initialize.
// So one process reaches one [Store] per [Kind] at a time: several tokens at once go into one store, where each is a slot
// of its own; another store needs C_Finalize, the other [Store.Environ], C_Initialize; a child process simply gets its own Environ.
//
// Nothing here changes the environment of the calling process. PINs are random, in files that only the owner reads, and pass
// through the arguments of softhsm2-util: good for a token that guards nothing.
package softtoken

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Kind is a software token: a PKCS#11 module and the way it is configured.
type Kind string

// The kinds there are.
const (
	SoftHSM  Kind = "softhsm"  // SoftHSM 2, from the system's packages
	Kryoptic Kind = "kryoptic" // Kryoptic, built into the clone by scripts/setup
)

// SkipVariable names, separated by commas, the kinds that a person gave up on purpose, such as KEYFERRY_TEST_SKIP=kryoptic.
const SkipVariable = "KEYFERRY_TEST_SKIP"

// Kinds lists every kind.
func Kinds() []Kind { return []Kind{SoftHSM, Kryoptic} }

// Skipped tells whether SkipVariable names k. Tests skip only then; a module that is just missing fails them.
func (k Kind) Skipped() bool {
	return slices.Contains(strings.Split(os.Getenv(SkipVariable), ","), string(k))
}

// Module returns the absolute path of k's module. Its error says how to get one.
func (k Kind) Module() (string, error) {
	paths, err := k.modulePaths()
	if err != nil {
		return "", err
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", fmt.Errorf("find the %s module: at none of %s: run `make setup`, or leave it out with %s=%s",
		k, strings.Join(paths, ", "), SkipVariable, k)
}

func (k Kind) modulePaths() ([]string, error) {
	switch k {
	case SoftHSM:
		return []string{
			"/usr/lib/softhsm/libsofthsm2.so",                  // Debian, Ubuntu, Arch
			"/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", // Debian, as multiarch would have it
			"/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
			"/usr/lib64/pkcs11/libsofthsm2.so",         // Fedora
			"/opt/homebrew/lib/softhsm/libsofthsm2.so", // macOS, Apple silicon
			"/usr/local/lib/softhsm/libsofthsm2.so",    // macOS, Intel; built from source
			"/home/linuxbrew/.linuxbrew/lib/softhsm/libsofthsm2.so",
		}, nil
	case Kryoptic:
		root, err := Root()
		return []string{filepath.Join(root, ".cache", "kryoptic", "libkryoptic_pkcs11.so")}, err
	default:
		return nil, fmt.Errorf("find a module: unknown kind %q, want one of %v", k, Kinds())
	}
}

var moduleLine = regexp.MustCompile(`(?m)^module github\.com/keyferry/keyferry$`)

// Root returns the clone that the working directory is in, by its go.mod. What tests need is cached below it, in .cache.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the clone: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		text, err := os.ReadFile(filepath.Join(at, "go.mod")) //nolint:gosec // the file that every go command looks for in the same way
		if err == nil && moduleLine.Match(text) {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("find the clone: no go.mod of keyferry in or above %s", dir)
		}
	}
}
