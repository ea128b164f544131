package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/ownfile"
)

// Find says which file is the config: what was asked for, else KEYFERRY_CONFIG,
// else keyferry.yaml in the working directory, else keyferry/keyferry.yaml in
// XDG_CONFIG_HOME or ~/.config. Its Misuse is NotFound too, and names the places that
// were looked at.
func Find(asked string, getenv func(string) string) (string, error) {
	if asked == "" {
		asked = getenv("KEYFERRY_CONFIG")
	}
	if asked != "" {
		return filepath.Abs(asked)
	}
	places, err := usualPlaces(getenv)
	if err != nil {
		return "", err
	}
	for _, path := range places {
		if _, err := os.Lstat(path); err == nil {
			return path, nil
		}
	}
	return "", &broker.Error{
		Kind: broker.Misuse, Cause: fmt.Errorf("find config: %w: none of %s is there", broker.NotFound, strings.Join(places, ", ")),
		Hint: "name it with --config or KEYFERRY_CONFIG, or start with: keyferry init",
	}
}

func usualPlaces(getenv func(string) string) ([]string, error) {
	here, err := filepath.Abs("keyferry.yaml")
	if err != nil {
		return nil, fmt.Errorf("find config: %w", err)
	}
	home := getenv("XDG_CONFIG_HOME")
	if home == "" && getenv("HOME") != "" {
		home = filepath.Join(getenv("HOME"), ".config")
	}
	if !filepath.IsAbs(home) {
		return []string{here}, nil
	}
	return []string{here, filepath.Join(home, "keyferry", "keyferry.yaml")}, nil
}

// Load reads the file at path. Misuse where it is not there, which is NotFound too;
// Denied where others may change it; Misuse, holding *FileError, for what it says.
func Load(path string) (*Config, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find config: %w", err)
	}
	text, err := ownfile.Read("config", path, ownfile.OthersMayNot{Write: true, Read: true, GroupReads: true}, maxSize)
	if errors.Is(err, broker.NotFound) {
		return nil, &broker.Error{
			Kind: broker.Misuse, Cause: fmt.Errorf("read config %s: %w: %w", path, broker.NotFound, fs.ErrNotExist),
			Hint: "check the path, or start with: keyferry init --config " + path,
		}
	}
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}
