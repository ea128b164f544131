package main

import (
	"slices"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// A version that no record names is told from its key, which is on record.
func TestOrphansAreShownAsWhatTheyAre(t *testing.T) {
	t.Parallel()
	key := broker.KeyRef{ID: "https://v/keys/kek"}
	for what, o := range map[string]broker.Orphan{
		"key": {Key: key}, "version": {Key: key, Version: "0a1b"}, "wrapping key": {Key: key, Version: "0c2d", WrappingKey: key.ID + "/0c2d"},
	} {
		row := orphanRowOf(o)
		if row.What != what || row.Version != o.Version || row.KeyRef != key.ID {
			t.Errorf("%s is shown as %+v", what, row)
		}
	}
	of := sheetOf([]orphanRow{})
	for _, column := range []string{"what", "version"} {
		if i := slices.Index(of.names, column); i < 0 || !slices.Contains(of.shown, i) {
			t.Errorf("the table has no %s", column)
		}
	}
}
