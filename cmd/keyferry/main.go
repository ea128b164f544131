// Command keyferry brings keys that were born in an HSM into cloud KMSs, and
// watches them there. docs/cli.md has every command.
package main

import "os"

func main() { os.Exit(newProgram().main(os.Args[1:])) }
