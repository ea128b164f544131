package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"text/template"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
	"github.com/keyferry/keyferry/broker/store"
)

// made is what init made or found, or would make.
type made struct {
	Config     string `json:"config"`
	ConfigMade bool   `json:"config_made"`
	Store      string `json:"store"`
	StoreMade  bool   `json:"store_made"`
	// WouldMake is what a dry run found missing: config, store.
	WouldMake []string `json:"would_make,omitempty" table:"filled"`
}

func (p *program) initCommand() *cli.Command {
	return p.command(leaf{
		name: "init", usage: "write a config to start from, and make the store it names",
		about: "What is there already is left as it is, so init can be run again. Edit the config, then:\n" +
			"keyferry token enrol, keyferry target enrol NAME, keyferry doctor.",
		examples: []string{
			"keyferry init",
			"keyferry init --config ./keyferry.yaml --module /usr/lib/softhsm/libsofthsm2.so --label test --environment test --pin-file pin",
			"keyferry init --dry-run",
		},
		flags: []cli.Flag{
			&cli.StringFlag{Name: "module", Value: "/usr/lib/softhsm/libsofthsm2.so", Usage: "the vendor's PKCS#11 library: `FILE`"},
			&cli.StringFlag{Name: "label", Value: "keyferry", Usage: "of the token: `TEXT`"},
			&cli.StringFlag{Name: "environment", Value: "test", Usage: "production, test, …: `NAME`"},
			&cli.StringFlag{Name: "pin-file", Value: "pin", Usage: "a `FILE` with the user PIN that nobody else may read"},
			&cli.BoolFlag{Name: "dry-run", Usage: "show what would be made, and make nothing"},
		},
		run: func(ctx context.Context, c *call) error { return c.init(ctx) },
	})
}

func (c *call) init(ctx context.Context) error {
	if err := c.checkOutput(); err != nil {
		return err
	}
	path, found, err := c.configOrHere()
	if err != nil {
		return err
	}
	out := made{Config: path}
	var cfg *config.Config
	if found {
		c.sayIgnored(path)
		cfg, err = config.Load(path)
	} else {
		out.ConfigMade = true
		cfg, err = c.newConfig(path)
	}
	if err != nil {
		return err
	}
	out.Store = string(cfg.Store)
	if out.StoreMade, err = c.newStore(ctx, cfg); err != nil {
		return err
	}
	if c.Bool("dry-run") {
		out = out.planned()
	}
	return c.print(answer{value: out, tables: []any{facts(out)}})
}

// planned is what a dry run says: nothing was made.
func (m made) planned() made {
	for name, missing := range map[string]*bool{"config": &m.ConfigMade, "store": &m.StoreMade} {
		if *missing {
			m.WouldMake = append(m.WouldMake, name)
		}
		*missing = false
	}
	slices.Sort(m.WouldMake)
	return m
}

// sayIgnored: a config that is there stays as it is, whatever the flags say.
func (c *call) sayIgnored(path string) {
	for _, flag := range []string{"module", "label", "environment", "pin-file"} {
		if c.IsSet(flag) {
			c.p.say("--%s is ignored: %s is there already, and is left as it is; edit it instead", flag, path)
		}
	}
}

// configOrHere is the config there is, or the path where one is to be made.
func (c *call) configOrHere() (path string, found bool, err error) {
	path, err = config.Find(c.String("config"), c.p.getenv)
	if errors.Is(err, broker.NotFound) {
		path, err = filepath.Abs("keyferry.yaml")
	}
	if err != nil {
		return "", false, err
	}
	_, err = os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, false, nil
	}
	return path, true, err
}

// newConfig writes a config that can be read back; with --dry-run it is only made
// in memory.
func (c *call) newConfig(path string) (*config.Config, error) {
	text, err := startConfig(c)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Parse(path, text)
	if err != nil {
		return nil, err
	}
	if c.Bool("dry-run") {
		return cfg, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names the path
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()) // whatever the umask
	}
	if err != nil {
		return nil, &broker.Error{Kind: broker.Denied, Op: "write config", Object: path, Cause: err, Hint: "check the directory"}
	}
	return cfg, nil
}

func (c *call) newStore(ctx context.Context, cfg *config.Config) (isNew bool, err error) {
	_, err = os.Lstat(string(cfg.Store))
	switch {
	case err == nil:
		return false, c.withStore(ctx, store.Options{Path: string(cfg.Store)}, func(*store.Store) error { return nil })
	case c.Bool("dry-run"):
		return true, nil
	}
	st, err := store.Create(ctx, store.Options{Path: string(cfg.Store)})
	if err != nil {
		return false, err
	}
	return true, st.Close()
}

// startConfig fills the flags into a config with its most used keys.
func startConfig(c *call) ([]byte, error) {
	t, err := template.New("config").Parse(startText)
	if err != nil {
		return nil, fmt.Errorf("write config: %w", err)
	}
	var out buffer
	err = t.Execute(&out, map[string]string{
		"module": c.String("module"), "label": c.String("label"), "environment": c.String("environment"), "pin": c.String("pin-file"),
	})
	return out, err
}

// buffer is a []byte that can be written to.
type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

const startText = `# Keyferry. docs/keyferry.example.yaml has every key with its meaning.
# keyferry config check reads this file and touches nothing.
store: keyferry.db

token:
  name: hsm
  module: {{printf "%q" .module}}
  label: {{printf "%q" .label}}
  environment: {{printf "%q" .environment}}
  pin:
    file: {{printf "%q" .pin}} # chmod 600; or credential, command, prompt

# targets:
#   # AWS KMS: an account in a region.
#   - name: aws-frankfurt
#     provider: aws
#     environment: {{.environment}}
#     account: "111122223333"
#     region: eu-central-1
#     # endpoint: http://127.0.0.1:4566 # an emulator, never production
#   # Google Cloud KMS: a key ring, which must be there.
#   - name: google
#     provider: gcp
#     environment: {{.environment}}
#     project: my-project
#     location: europe-west3
#     ring: keyferry
#     # impersonate: keyferry@my-project.iam.gserviceaccount.com
#   # Azure Key Vault (Premium), or a Managed HSM with kind: managed-hsm.
#   - name: azure
#     provider: azure
#     environment: {{.environment}}
#     tenant: 11111111-2222-3333-4444-555555555555
#     vault: https://my-vault.vault.azure.net
#     # credentials: {kind: managed-identity}

# policies:
#   - name: payments
#     spec: aes-256
#     targets: [aws-frankfurt]
#     retain: token
#     owner: payments team
#   # One key at all of them: keyferry import all signing/release --policy signing
#   - name: signing
#     spec: ec-p384
#     targets: [aws-frankfurt, google, azure]
#     retain: token
`
