// Package e2etest is what the tests that drive the built program share: the program itself, a site that it runs in, with a token behind
// the shim and emulated clouds, runs that are held and killed, a store that another program holds, and a file system that gets full.
package e2etest
