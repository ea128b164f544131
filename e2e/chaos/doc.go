// Package chaos kills the built program while it brings lists of keys to every target, starts it again until it ends, and holds what
// the emulators unwrapped, and what the token keeps, against its own list: one material a key, one version a target, nothing else.
// It does the same under every other fault that the emulators, the token and the disk can be given.
package chaos
