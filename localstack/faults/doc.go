// Package faults lets tests break an emulator from outside: hold, fail, drop,
// delay or falsify chosen calls before or after they take effect, move the
// emulator's clock, and read what it holds.
//
// It knows no cloud. An emulator turns each request into an [Exchange] and gives
// it to [Engine.Serve], or where it does not speak HTTP to [Engine.Do], which commits
// it, answers, and does to both what the rules say. [Admin] serves the engine and the emulator's [Report] over HTTP, and
// [Client] speaks to that from a test in another process.
package faults
