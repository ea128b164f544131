// Package judges holds our emulators to what the clouds document, by clients that
// we did not write: boto3 asks, Python's cryptography and the OpenSSL command
// wrap. rules.json names every rule, the tests that judge it, what each must see
// refused, and what of it the cloud leaves open. A rule without a row fails the
// run, and so does a row without a test and a test without a row.
package judges
