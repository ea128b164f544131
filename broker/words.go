package broker

import (
	"strings"
	"unicode"
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

// maxPrintable is the most of somebody else's text that is kept, in bytes.
const maxPrintable = 4000

// printable is such text, fit for a record. Where one error follows another there is a
// semicolon, not what stands for a character that was replaced.
func printable(text string) string {
	return Printable(strings.ReplaceAll(text, "\n", "; "), maxPrintable)
}

// Printable is text that may have come from a target, fit for a record and a terminal:
// valid UTF-8 without control characters, of at most so many bytes before those are
// replaced.
func Printable(text string, most int) string {
	text = strings.ToValidUTF8(text[:min(len(text), most)], "\uFFFD")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}
