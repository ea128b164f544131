package broker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// nameHash is how many hex digits of its SHA-256 a name ends in that had to be
// changed: so few that people can read it, so many that two names of one inventory
// do not meet by chance. That they do not meet is asked of the target all the same.
const nameHash = 8

// fit is a key's name in a pattern like "alias/{name}", as the rule allows it. A name
// that must be changed keeps what can stay, is shortened, and ends in a hash of the
// whole name. It is a pure decision: the same name always fits in the same way. One
// that is reserved stays, and is refused: changed, it would be taken for what it is not.
func (r NameRule) fit(pattern, name string) string {
	if whole := expandName(pattern, name); r.shapes(whole) {
		return whole
	}
	sum := sha256.Sum256([]byte(name))
	tail := "-" + hex.EncodeToString(sum[:])[:nameHash]
	kept := strings.Map(func(c rune) rune {
		if isPlain(c) || strings.ContainsRune(r.Keeps, c) {
			return c
		}
		return '-'
	}, name)
	room := max(0, r.Max-len(expandName(pattern, ""))-len(tail))
	return expandName(pattern, kept[:min(len(kept), room)]+tail)
}

func isPlain(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-'
}

// Refuses says which of the customer's tags a provider does not allow, and why; "" none.
func (r TagRule) Refuses(tags map[string]string) string {
	if r.Max > 0 && len(tags) > r.Max {
		return fmt.Sprintf("there are %d, and there is room for %d beside the broker's own", len(tags), r.Max)
	}
	for _, name := range sortedKeys(tags) {
		own := slices.IndexFunc(r.Reserved, func(own string) bool { return strings.HasPrefix(strings.ToLower(name), strings.ToLower(own)) })
		switch {
		case own >= 0:
			return fmt.Sprintf("the name %.80q begins with %s, which is reserved", name, r.Reserved[own])
		case r.Name != "" && !wholly(r.Name, name):
			return fmt.Sprintf("the name %.80q", name)
		case r.Value != "" && !wholly(r.Value, tags[name]):
			return fmt.Sprintf("the value %.80q of %.80q", tags[name], name)
		}
	}
	return ""
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
