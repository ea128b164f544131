// Package pkcs11 is a token behind any vendor's PKCS #11 module (OASIS PKCS #11
// v2.40 and later). It is the only package that uses cgo.
//
// What a module says it can do is not believed: [Token.Plans] tries each way to
// wrap with throwaway keys, opens what comes out on the host, and compares.
//
// Key material is a handle. No call here asks for the CKA_VALUE of a key; the
// one place that reads a CKA_VALUE is the anchor, a data object of the broker's
// own.
//
// Every error is a [broker.Error] that names the call and its CKR code; ckr.go is
// the one table that gives each code its kind.
package pkcs11
