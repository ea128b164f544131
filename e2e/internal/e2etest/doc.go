// Package e2etest is what the tests that drive the built program share: the program itself, a store that another program holds, and
// a file system that gets full.
package e2etest
