// Package localstack starts what stands in for the clouds, for tests and for
// people: our emulators ([Start]) and LocalStack itself ([StartAWS]), which we did
// not write and which therefore can tell that our wire format and our wrapping
// are right. README.md says of each what it does not do.
//
// # One LocalStack a run
//
// Starting LocalStack takes about two seconds. Packages are tested in processes
// of their own, so a run that wants a single one starts it outside of them:
//
//	localclouds --localstack -- go test ./...
//
// sets LOCALSTACK_ENDPOINT for the command, and [StartAWS] takes what it names.
// Without it each test process starts its own. Whichever started it stops it; it
// also ends by itself when the process that started it is gone, however that
// came.
//
// This package and the emulators import nothing of the product, nor the product
// of them: a shared mistake would go unseen.
package localstack
