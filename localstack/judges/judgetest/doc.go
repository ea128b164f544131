// Package judgetest holds our emulators to what the clouds document, by clients that
// we did not write: the vendors' Python SDKs ask, Python's cryptography and the
// OpenSSL command wrap.
//
// Each cloud has a folder beside this one. Its rules.json names every rule, the tests
// that judge it, what each must see refused, and what of it the cloud leaves open. A
// rule without a row fails the run, and so does a row without a test, a test without a
// row, and a rule shown from one side only. What the folders' Python shares is in
// shared: its judging.py is a plugin of every run.
package judgetest
