package main

import (
	"github.com/urfave/cli/v2"
)

// app is the whole command tree.
func (p *program) app() *cli.App {
	return &cli.App{
		Name: "keyferry", HelpName: "keyferry", Usage: "bring keys from your own HSM into cloud KMSs, and watch them there",
		Description:               appAbout,
		HideVersion:               true,
		HideHelp:                  true,
		HideHelpCommand:           true,
		Flags:                     []cli.Flag{helpFlag()},
		DisableSliceFlagSeparator: true,
		Reader:                    p.stdin, Writer: p.stdout, ErrWriter: p.stderr,
		ExitErrHandler: func(*cli.Context, error) {}, // errors are explained once, in run
		Commands: []*cli.Command{
			p.initCommand(),
			group("config", "look at the config", p.configCheck(), p.configShow()),
			group("token", "the partition of the HSM", p.tokenEnrol(), p.tokenShow(), p.tokenMove(), p.tokenRotateKeeper(), p.tokenTrust()),
			group("target", "the places that keys go to", p.targetEnrol(), p.targetList(), p.targetShow()),
			p.doctor(),
			group("import", "make a key in the HSM and bring it to a provider", p.importCommands()...),
			group("key", "what keys there are", p.keyList(), p.keyShow(), p.keyVersions()),
			p.activate(),
			p.renew(),
			p.verify(),
			p.inventory(),
			group("orphan", "what carries keyferry's mark and no record names", p.orphanRemove()),
			group("operation", "what was begun, and how far it came", p.operationList(), p.operationShow(), p.operationResume(), p.operationAbort()),
			group("audit", "who did what, and whether the record still holds", p.auditList(), p.auditVerify(), p.auditHead()),
			group("store", "the file of the inventory", p.storeBackup(), p.storeRecover()),
			p.completion(),
			p.version(),
		},
	}
}

const appAbout = `Keys are made in the HSM, cross sealed under the provider's wrapping key, and are proven there.
Flags may stand before and after names. The answer goes to stdout, everything else to stderr.
Exit codes: 0 done, 1 failed, 2 misused, 3 partly done.
Start with: keyferry init`
