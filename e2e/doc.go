// Package e2e drives the built program against real tokens and emulators, from
// outside: it kills it while a call is held, breaks what it needs, and judges by
// what the emulator unwrapped, never by the program's own records.
package e2e
