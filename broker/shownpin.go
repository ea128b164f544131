package broker

import (
	"regexp"
	"strings"
	"sync"
)

// memberStart is the beginning of a member but the first.
var memberStart = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(` ([a-z_]+):`) })

// ShownPin is the value of a pin for people. A field with members of its own is sealed
// as Go writes a map, map[a:x b:y], and always will be: who shows it says a=x, b=y.
// Nothing is compared with, or sealed as, what this returns.
func ShownPin(value string) string {
	inner, ok := strings.CutPrefix(value, "map[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !ok || !closed {
		return value
	}
	return strings.Replace(memberStart().ReplaceAllString(inner, ", $1="), ":", "=", 1)
}
