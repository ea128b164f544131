// Package emutest makes what tests of emulators bring: wrapped material and keys
// in PKCS#8, written apart from the emulators' unwrapping and parsing.
package emutest
