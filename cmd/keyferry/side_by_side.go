package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// keyAnswer is a key, its versions, and for each of them a table with its placements
// side by side.
func keyAnswer(k broker.KeyView, placements []placementRow) answer {
	tables := []any{facts(keyRowOf(k)), versionRows(k)}
	for _, v := range k.Versions {
		of := slices.DeleteFunc(slices.Clone(placements), func(r placementRow) bool { return r.Version != v.Number })
		if len(of) > 0 {
			tables = append(tables, sideBySide(fmt.Sprintf("version %d", v.Number), of))
		}
	}
	return answer{value: k, tables: tables}
}

// sideBySide has a column for each placement, and a line for each thing that is worth
// comparing; what none of them has is left out.
func sideBySide(title string, placements []placementRow) sheet {
	t := sheet{names: []string{title}, shown: []int{0}}
	lines := map[string][]string{}
	for i, p := range placements {
		t.names, t.shown = append(t.names, p.Target), append(t.shown, i+1)
		of := sheetOf(p)
		for j, name := range of.names {
			lines[name] = append(lines[name], of.rows[0][j])
		}
	}
	for _, name := range []string{
		"provider", "place", "step", "remote", "seen_at", "proof", "proven_at", "proof_detail", "consumer", "valid_to", "mechanism",
		"transport_strength", "sha1", "attestation", "provenance", "key_ref", "version_ref", "difference",
	} {
		if strings.Join(lines[name], "") != "" {
			t.rows = append(t.rows, append([]string{strings.ReplaceAll(name, "_", " ")}, lines[name]...))
		}
	}
	return t
}
