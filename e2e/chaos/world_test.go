package chaos_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// patience is the deadline of whatever is waited for: far beyond what it takes.
const patience = 5 * time.Minute

// targets are those of a world, in the order of the table.
func targets() []string { return []string{"aws", "gcp", "vault", "pool"} }

// world is a company's own: a token behind the shim, a config, a store; and the clouds,
// which are emulators. What it was asked to bring is in its lists.
type world struct {
	dir     string
	store   string
	program string
	env     []string
	kind    softtoken.Kind
	token   softtoken.Token
	shim    *shim.Shim
	aws     *awsemu.Server
	gcp     *gcpemu.Server
	azure   *azureemu.Server
	rows    []row
}

// options are what differs between worlds; the zero value settles after a second.
type options struct {
	settle string
	lag    faults.Seconds // until what was changed is seen
	shared bool           // others may import into Google's ring
	store  string         // directory of the store; "" is the world's own
}

// newWorld is one whose token and targets are enrolled.
func newWorld(t *testing.T, kind softtoken.Kind, o options) *world {
	t.Helper()
	if kind.Skipped() {
		t.Skipf("%s names %s", softtoken.SkipVariable, kind)
	}
	w := &world{dir: t.TempDir(), kind: kind, program: os.Getenv(programVariable)}
	var err error
	w.token, err = softtoken.New(t.Context(), kind, filepath.Join(w.dir, "token"), "chaos")
	fatal(t, err)
	w.shim, err = shim.Start(t.Context(), w.token.Module)
	fatal(t, err)
	t.Cleanup(func() { check(t, w.shim.Close()) })
	w.startClouds(t)
	w.configure(t, o)
	w.must(t, "init")
	w.must(t, "token", "enrol", "--environment", "test")
	for _, target := range targets() {
		w.must(t, "target", "enrol", target)
	}
	fatal(t, w.aws.Admin().Configure(t.Context(), awsemu.Change{Settings: &awsemu.Settings{HiddenFor: o.lag}}))
	fatal(t, w.gcp.Admin().Configure(t.Context(), gcpemu.Change{Settings: &gcpemu.Settings{JobFor: o.lag, ImportFor: o.lag}}))
	return w
}

func (w *world) startClouds(t *testing.T) {
	t.Helper()
	root, err := softtoken.Root()
	fatal(t, err)
	pool := filepath.Join(root, ".cache", "wrapping-keys")
	ca, err := emu.NewAuthority(time.Now())
	fatal(t, err)
	fatal(t, os.WriteFile(filepath.Join(w.dir, "ca.pem"), ca.PEM(), 0o600))
	w.aws, err = awsemu.Start(t.Context(), awsemu.Config{Now: time.Now, CA: ca, PoolDir: pool, ReuseWrappingKeys: true})
	fatal(t, err)
	t.Cleanup(func() { check(t, w.aws.Close()) })
	w.gcp, err = gcpemu.Start(t.Context(), gcpemu.Config{Now: time.Now, CA: ca, PoolDir: pool, ReuseWrappingKeys: true})
	fatal(t, err)
	t.Cleanup(func() { check(t, w.gcp.Close()) })
	w.azure, err = azureemu.Start(t.Context(), azureemu.Config{Now: time.Now, CA: ca, PoolDir: pool, ReuseWrappingKeys: true})
	fatal(t, err)
	t.Cleanup(func() { check(t, w.azure.Close()) })
}

// clouds are the emulators, by the names that the table has for them.
func (w *world) clouds() map[string]faults.Client {
	return map[string]faults.Client{"aws": w.aws.Admin(), "gcp": w.gcp.Admin(), "azure": w.azure.Admin()}
}

// cloud is the emulator of a target.
func (w *world) cloud(target string) faults.Client { return w.clouds()[cloudOf(target)] }

func cloudOf(target string) string {
	if target == "vault" || target == "pool" {
		return "azure"
	}
	return target
}

// configure writes the config, the credentials, and the environment of each run.
func (w *world) configure(t *testing.T, o options) {
	t.Helper()
	azure, err := w.azure.Credentials()
	fatal(t, err)
	google, err := w.gcp.ServiceAccountJSON()
	fatal(t, err)
	w.store = filepath.Join(w.dir, "keyferry.db")
	if o.store != "" {
		w.store = filepath.Join(o.store, "keyferry.db")
	}
	if o.settle == "" {
		o.settle = "1s"
	}
	config := filepath.Join(w.dir, "keyferry.yaml")
	for path, text := range map[string][]byte{
		"google.json": google, "azure.pem": azure.CertificatePEM, "keyferry.yaml": []byte(w.config(azure, o)),
	} {
		fatal(t, os.WriteFile(filepath.Join(w.dir, path), text, 0o600))
	}
	key := w.aws.Credentials()
	w.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "KEYFERRY_CONFIG=" + config,
		"AWS_ACCESS_KEY_ID=" + key.ID, "AWS_SECRET_ACCESS_KEY=" + key.Secret, "AWS_EC2_METADATA_DISABLED=true",
	}, w.token.Env...)
}

func (w *world) config(azure azureemu.Credentials, o options) string {
	common := fmt.Sprintf("    environment: test\n    ca_file: ca.pem\n    settle: %s\n    poll: 1s\n    quotas: {all: 10000}\n", o.settle)
	at := func(name, kind, vault string) string {
		return fmt.Sprintf(`  - name: %s
    provider: azure
    tenant: %s
    vault: %s
    kind: %s
    authority: %s
    credentials: {kind: certificate, client_id: %s, certificate_file: azure.pem}
`, name, azure.Tenant, w.azure.URL(vault), kind, w.azure.AuthorityURL(), azure.ClientID) + common
	}
	return fmt.Sprintf(`store: "%s"
token:
  name: hsm
  module: %s
  label: chaos
  environment: test
  pin: {file: "%s"}
  cache: "%s"
targets:
  - name: aws
    provider: aws
    account: "%s"
    region: eu-central-1
    endpoint: %s
`, w.store, w.shim.Module(), w.token.PINFile, w.dir, w.aws.Account(), w.aws.TLSURL()) + common + fmt.Sprintf(`  - name: gcp
    provider: gcp
    project: %s
    location: europe-west3
    ring: keyferry
    endpoint: https://%s
    token_endpoint: %s
    credentials_file: google.json
    sole_writer: %t
`, w.gcp.Project(), w.gcp.Addr(), w.gcp.TokenURL(), !o.shared) + common +
		at("vault", "vault", azureemu.DefaultPremium) + at("pool", "managed-hsm", azureemu.DefaultPool) + policies
}

// policies of the lists; what a row goes to is also in the test's own hands, see specs.
const policies = `policies:
  - {name: macs, targets: [aws, gcp]}
  - {name: secrets, targets: [aws, gcp, pool]}
  - {name: pairs, targets: [aws, gcp, vault, pool]}
`

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
