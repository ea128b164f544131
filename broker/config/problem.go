package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xrash/smetrics"

	"github.com/keyferry/keyferry/broker"
)

// Problem is one thing that is wrong in a file. It never repeats what may be a
// PIN.
type Problem struct {
	Line   int    `json:"line"` // from 1; 0 where it is about the whole file
	Column int    `json:"column"`
	Text   string `json:"text"`
}

// FileError is every problem of one file, in its order.
type FileError struct {
	File string
	List []Problem
}

// Error is a line for each problem: file:line:column: text.
func (p *FileError) Error() string {
	lines := make([]string, len(p.List))
	for i, one := range p.List {
		lines[i] = fmt.Sprintf("%s: %s", p.File, one.Text)
		if one.Line > 0 {
			lines[i] = fmt.Sprintf("%s:%d:%d: %s", p.File, one.Line, one.Column, one.Text)
		}
	}
	return strings.Join(lines, "\n")
}

// failure makes the broker's error of the problems; nil without any.
func (p *FileError) failure() error {
	if len(p.List) == 0 {
		return nil
	}
	slices.SortStableFunc(p.List, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return &broker.Error{
		Kind: broker.Misuse, Op: "read config", Cause: p,
		Hint: "correct the file; docs/keyferry.example.yaml has every key with its meaning",
	}
}

// orNear adds "did you mean" where one of the words is close, and lists them.
func orNear(word string, words []string) string {
	text := "allowed: " + strings.Join(Distinct(words), ", ")
	if near := Near(word, words); near != "" {
		text = fmt.Sprintf("did you mean %s? %s", near, text)
	}
	return text
}

// Near is the one of the words that was probably meant; "" where none is close.
func Near(word string, words []string) string {
	best, bestScore := "", 0.8
	for _, w := range words {
		if score := smetrics.JaroWinkler(word, w, 0.7, 4); score > bestScore {
			best, bestScore = w, score
		}
	}
	return best
}

// Distinct words, in their order.
func Distinct(words []string) []string {
	var out []string
	for _, w := range words {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}
