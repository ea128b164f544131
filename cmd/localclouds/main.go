// Command localclouds starts the stand-ins for the clouds: our emulators and, if
// asked, LocalStack. It is for people and for test runs.
package main

import (
	"os"
	"time"
)

func main() { os.Exit(run(os.Args, streams{os.Stdin, os.Stdout, os.Stderr}, time.Now)) }
