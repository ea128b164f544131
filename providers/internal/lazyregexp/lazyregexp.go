// Package lazyregexp has regular expressions that are compiled at their first use: a
// program that starts for one answer compiles none of those that it does not need.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New is an expression that is compiled when it is first asked for. One that is none
// panics then, so each needs a test that uses it.
func New(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
