// Package emu is what our emulators share: one CA for a run, RSA wrapping keys,
// how wrapped material is unwrapped, and key pairs read as strictly as the clouds
// document.
//
// It knows no cloud, and shares no code with the product, so that both cannot make
// the same mistake.
package emu
