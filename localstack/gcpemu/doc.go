// Package gcpemu is a strict emulator of Google Cloud KMS over gRPC, with the
// locations mixin and as much of Google's token services as reaching it needs: TLS
// under a CA made at start, bearer tokens and self-signed JWTs really verified.
//
// It unwraps what it is given, keeps the rules that the comments of
// google/cloud/kms/v1 and Google's documentation state, and refuses what it does not
// model instead of ignoring it. Where Google does not say, it is strict unless
// [Settings].Lenient. Its clock can be moved and its calls be broken through the
// admin port (package faults).
//
// It shares no code with the product. Material it is given stays in its memory and
// ends with it: it is for tests only. Every answer says that it is an emulator, and
// its attestations are signed by nobody but a test root.
package gcpemu
