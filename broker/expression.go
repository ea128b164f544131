package broker

import (
	"regexp"
	"sync"
)

// expressions remembers what was compiled: the rules of three clouds, which no input adds
// to. AWS's rule for the value of a tag takes 5 ms to compile, and each tag of each import
// is held against it.
var expressions sync.Map // of *regexp.Regexp, or nil for what is none, by their text

// wholly reports whether an expression (RE2) matches the whole of a text; one that is none
// matches nothing.
func wholly(expr, text string) bool {
	known, ok := expressions.Load(expr)
	if !ok {
		made, err := regexp.Compile(`^(?:` + expr + `)$`)
		if err != nil {
			made = nil
		}
		known, _ = expressions.LoadOrStore(expr, made)
	}
	made := known.(*regexp.Regexp)
	return made != nil && made.MatchString(text)
}
