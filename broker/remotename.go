package broker

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// nameHash is how many hex digits of its SHA-256 a name ends in that had to be
// changed: so few that people can read it, so many that two names of one inventory
// do not meet by chance. That they do not meet is asked of the target all the same.
const nameHash = 8

// fit is a key's name in a pattern like "alias/{name}", as the rule allows it. A name
// that must be changed keeps what can stay, is shortened, and ends in a hash of the
// whole name. It is a pure decision: the same name always fits in the same way.
func (r NameRule) fit(pattern, name string) string {
	if whole := expandName(pattern, name); r.Allows(whole) {
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

// refuses says which of the customer's tags a provider does not allow; "" none.
func (r TagRule) refuses(tags map[string]string) string {
	if r.Max > 0 && len(tags) > r.Max {
		return "there are more of them than it has room for beside the broker's own"
	}
	for _, name := range sortedKeys(tags) {
		if !matches(r.Name, name) || !matches(r.Value, tags[name]) {
			return name + ": " + tags[name]
		}
	}
	return ""
}

func matches(pattern, text string) bool {
	ok, err := regexp.MatchString(`^(?:`+pattern+`)$`, text)
	return pattern == "" || err == nil && ok
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
