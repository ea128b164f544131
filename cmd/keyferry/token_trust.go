package main

import (
	"context"
	"encoding/pem"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

// trustedRow is a wrapping key that the security officer marked.
type trustedRow struct {
	Fingerprint string `json:"fingerprint"`
	Bits        int    `json:"bits"`
	Token       string `json:"token"`
	State       string `json:"state"` // marked, before, or would be
}

func (p *program) tokenTrust() *cli.Command {
	return p.command(leaf{
		name: "trust", usage: "mark a wrapping key as trusted, as the token's security officer",
		about: "Keys of a policy with wrap_with_trusted are wrapped by the token under marked keys alone, whoever has the user PIN.\n" +
			"It takes the security officer's PIN and nothing else: neither the user's, nor the store, nor a target. So fetch the public\n" +
			"key (PEM) from the target yourself, with your own access, and compare its fingerprint (SHA-256 of the DER): what the\n" +
			"import says is what its operator says. Google: gcloud kms import-jobs describe JOB --format 'value(publicKey.pem)';\n" +
			"Azure: az keyvault key download --id KEK --file FILE. keyferry token show --objects lists what is marked.",
		examples: []string{
			"keyferry token trust --public-key ./wrapping-key.pem --fingerprint " + exampleFingerprint,
			"keyferry token trust --public-key ./wrapping-key.pem --fingerprint " + exampleFingerprint + " --dry-run",
		},
		flags: []cli.Flag{
			&cli.StringFlag{Name: "public-key", Usage: "the target's wrapping key: `FILE` with a public key in PEM"},
			&cli.StringFlag{Name: "fingerprint", Usage: "what it must be: `SHA256` of its DER SubjectPublicKeyInfo, in hex"},
			&cli.BoolFlag{Name: "dry-run", Usage: "show what would be done, and do nothing: the token is not opened, and no PIN is read"},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask before changing production"},
		},
		run: func(ctx context.Context, c *call) error {
			key, err := c.keyToTrust()
			if err != nil {
				return err
			}
			if c.Bool("dry-run") {
				return c.planTrust(key)
			}
			return c.asOfficer(ctx, func(s *session, officer broker.Officer) error { return s.trustKey(ctx, officer, key) })
		},
	})
}

// exampleFingerprint stands in examples for a real one.
const exampleFingerprint = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// keyToTrust is what the flags name, checked.
func (c *call) keyToTrust() (broker.CheckedWrappingKey, error) {
	path, expected := c.String("public-key"), strings.ToLower(strings.ReplaceAll(c.String("fingerprint"), ":", ""))
	if path == "" || expected == "" {
		return broker.CheckedWrappingKey{}, misuse("token trust: give --public-key FILE and --fingerprint SHA256, both from the target")
	}
	text, err := os.ReadFile(path) //nolint:gosec // the officer names the file, and runs this as himself
	if err != nil {
		return broker.CheckedWrappingKey{}, misuse("--public-key: %w", err)
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" || strings.TrimSpace(string(rest)) != "" {
		return broker.CheckedWrappingKey{}, misuse("--public-key: %s is not one public key in PEM", path)
	}
	return broker.CheckMarked(block.Bytes, expected)
}

// planTrust needs nobody to log in: what it says is of the file and the config.
func (c *call) planTrust(key broker.CheckedWrappingKey) error {
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	row := rowOfTrust(cfg, key)
	row.State = "would be marked"
	c.p.say("a dry run: the key was not marked, and the token not opened")
	return c.print(answer{value: row, tables: []any{facts(row)}})
}

func rowOfTrust(cfg *config.Config, key broker.CheckedWrappingKey) trustedRow {
	return trustedRow{Fingerprint: key.Fingerprint(), Bits: key.PublicKey().N.BitLen(), Token: cfg.Token.Name, State: "marked"}
}

func (s *session) trustKey(ctx context.Context, officer broker.Officer, key broker.CheckedWrappingKey) error {
	row := rowOfTrust(s.config, key)
	if err := s.confirm(ctx, "Mark wrapping key "+row.Fingerprint+" as trusted"); err != nil {
		return err
	}
	before, err := officer.Trust(ctx, key)
	if err != nil {
		return err
	}
	if before {
		row.State = "marked before"
	}
	return s.print(answer{value: row, tables: []any{facts(row)}})
}
