package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/localstack"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// streams are the standard ones. The answer goes to out, the talk to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exitError is how the program ends when it is not an error of its own.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// run is the program; it returns its exit code: 0 done, 1 failed, 2 misused, or
// that of the command it ran.
func run(args []string, std streams, now func() time.Time) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	misused := false
	app := &cli.App{
		Name: "localclouds", Usage: "start what stands in for the clouds, until ^C or until a command ends",
		UsageText: "localclouds [options] [-- COMMAND ARGUMENTS...]", Description: description,
		Flags: flags(), Writer: std.out, ErrWriter: std.err, HideHelpCommand: true, HideVersion: true,
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			misused = true
			return err
		},
		Action: func(c *cli.Context) error { return start(c, std, now) },
	}
	err := app.RunContext(ctx, args)
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	if err != nil {
		fmt.Fprintln(std.err, "localclouds:", err)
		if misused {
			return 2
		}
		return 1
	}
	return 0
}

const description = `Prints where they listen, and exports to paste into a shell; with --json one line of JSON.
All emulators are under one CA. With a COMMAND it prints nothing, but runs the command with LOCALSTACK_ENDPOINT and the
LOCALCLOUDS_ variables in its environment, and ends with its exit code.

Example, one LocalStack for all packages:
   localclouds --localstack -- go test ./...`

func flags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.BoolFlag{Name: "localstack", Usage: "LocalStack too: one that runs already, or a new one"},
		&cli.BoolFlag{Name: "json", Usage: "print one line of JSON"},
		&cli.StringFlag{Name: "listen", Value: "127.0.0.1:0", Usage: "HTTP `ADDR` of the AWS emulator; port 0 is any free one"},
		&cli.StringFlag{Name: "listen-tls", Value: "127.0.0.1:0", Usage: "its HTTPS `ADDR`"},
		&cli.StringFlag{Name: "admin", Value: "127.0.0.1:0", Usage: "its admin `ADDR`, which asks for no credentials"},
		&cli.StringFlag{Name: "out", Usage: "`DIR` for CA, credentials, the exports, and targets.yaml: the part of a keyferry.yaml that names these clouds"},
		&cli.StringFlag{Name: "ca-out", Usage: "`FILE` for the certificate of the CA of all emulators (default: one that goes when the program ends)"},
		&cli.StringFlag{Name: "credentials-out", Usage: "`DIR` for credentials of the emulators (default: one that goes when the program ends)"},
		&cli.StringFlag{Name: "wrapping-keys", Value: ".cache/wrapping-keys", Usage: "`DIR` of wrapping keys made ahead; empty for none"},
		&cli.BoolFlag{Name: "reuse-wrapping-keys", Usage: "one wrapping key a size for all requests, for bulk tests"},
		&cli.BoolFlag{Name: "quotas", Usage: "throttle as the clouds do"},
		&cli.DurationFlag{Name: "consistency", Usage: "changes at AWS are seen this `LATE`"},
		&cli.DurationFlag{Name: "clock-offset", Usage: "the emulators' clocks are `AHEAD` by this"},
	}, googleFlags(), azureFlags())
}

// ahead is how many wrapping keys of each size are made ahead.
const ahead = 4

// start starts the clouds, says where they are, and ends them when it is time.
func start(c *cli.Context, std streams, now func() time.Time) (err error) {
	dir, err := os.MkdirTemp("", "localclouds-")
	if err != nil {
		return fmt.Errorf("make a folder for CA and credentials: %w", err)
	}
	defer func(made string) { _ = os.RemoveAll(made) }(dir)
	if out := c.String("out"); out != "" {
		dir = out
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the folder of --out: %w", err)
		}
	}
	into := files{ca: cmp.Or(c.String("ca-out"), filepath.Join(dir, "ca.pem")), credentials: cmp.Or(c.String("credentials-out"), dir)}
	clouds, err := localstack.Start(c.Context, config(c, into.ca, now))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clouds.Close()) }()
	at, err := where(clouds, into)
	if err != nil {
		return err
	}
	if c.IsSet("out") {
		if err := at.write(dir); err != nil {
			return err
		}
	}
	if c.Args().Present() {
		return at.run(c.Context, c.Args().Slice(), std)
	}
	if err := at.print(std.out, c.Bool("json")); err != nil {
		return err
	}
	<-c.Done()
	return nil
}

func config(c *cli.Context, ca string, now func() time.Time) localstack.Config {
	out := localstack.Config{
		Offset: c.Duration("clock-offset"), CAFile: ca, Google: googleConfig(c), Azure: azureConfig(c),
		AWS: awsemu.Config{
			Now: now, Addr: c.String("listen"), TLSAddr: c.String("listen-tls"), AdminAddr: c.String("admin"),
			PoolDir: c.String("wrapping-keys"), PoolSize: ahead, ReuseWrappingKeys: c.Bool("reuse-wrapping-keys"),
			Settings: awsemu.Settings{Quotas: c.Bool("quotas"), HiddenFor: faults.Seconds(c.Duration("consistency").Seconds())},
		},
	}
	if c.Bool("localstack") {
		out.LocalStack = &localstack.Options{}
	}
	return out
}
