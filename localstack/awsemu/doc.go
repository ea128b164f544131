// Package awsemu is a strict emulator of AWS KMS, with as much of STS as reaching
// it needs: JSON 1.1 and query protocol, Signature Version 4 really verified, all
// regions on one port, HTTP on loopback and TLS under a CA made at start.
//
// It unwraps what it is given, keeps the rules that the AWS KMS API Reference and
// Developer Guide state, and refuses what it does not model instead of ignoring
// it. Where AWS does not say, it is strict unless [Settings].Lenient. Its clock can
// be moved and its calls be broken through the admin port (package faults).
//
// It shares no code with the product. Material it is given stays in its memory
// and ends with it: it is for tests only.
package awsemu
