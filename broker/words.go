package broker

import (
	"strings"
)

// expandName puts a key's name into a pattern like "alias/{name}".
func expandName(pattern, name string) string {
	return strings.ReplaceAll(pattern, "{name}", name)
}

// listed joins words for a sentence; "nothing" where there are none.
func listed(words []string) string {
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

func targetNames(targets []Target) []string {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Name
	}
	return names
}
