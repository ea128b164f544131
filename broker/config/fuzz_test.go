package config_test

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

// FuzzParse: whatever is in a file, it is read or refused as Misuse with its
// problems in place; what is read satisfies what the rest of the program relies on.
func FuzzParse(f *testing.F) {
	f.Add(good)
	if text, err := os.ReadFile("../../docs/keyferry.example.yaml"); err == nil {
		f.Add(string(text))
	}
	for _, b := range badOnes() {
		f.Add(strings.Replace(good, b.old, b.new, 1))
	}
	f.Add(clouds)
	for _, b := range badClouds() {
		f.Add(strings.Replace(clouds, b.old, b.new, 1))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse("/etc/keyferry.yaml", []byte(text))
		if err != nil {
			if bad, ok := errors.AsType[*config.FileError](err); !ok || len(bad.List) == 0 || !errors.Is(err, broker.Misuse) {
				t.Fatalf("error %v is no list of problems", err)
			}
			return
		}
		if c.Store == "" || c.Token.Name == "" || c.Token.Label == "" && c.Token.Serial == "" {
			t.Fatalf("accepted without what is required: %+v", c)
		}
		for i, target := range c.Targets {
			if first, _ := c.Target(target.Name); !reflect.DeepEqual(first, c.Targets[i]) && first.Name == target.Name {
				t.Fatalf("target %s is there twice", target.Name)
			}
		}
	})
}
