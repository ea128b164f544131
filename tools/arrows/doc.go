// Package arrows shows that the linter holds the arrows between folders: for each one its test plants a file that breaks it in a
// module made for that, with this repository's own .golangci.yml, and wants the rule to refuse it, and nothing else to be refused.
package arrows
