package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

const pinnedHead = `store: keyferry.db
token: {name: hsm, module: /usr/lib/some.so, label: test, environment: test, pin: {file: pin}}
targets:
`

// pinsOf the one target in a config.
func pinsOf(t *testing.T, dir, target string) (map[string]string, error) {
	t.Helper()
	c, err := config.Parse(filepath.Join(dir, "keyferry.yaml"), []byte(pinnedHead+target))
	if err != nil {
		t.Fatal(err)
	}
	return pinsNow(c.Targets[0])
}

// put writes a file and names it.
func put(t *testing.T, dir, name, text string, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600), os.Chmod(filepath.Join(dir, name), mode)); err != nil {
		t.Fatal(err)
	}
}

// A target that was enrolled before there were other clouds has the same pins: else
// every one of them would have to be enrolled again.
func TestPinsOfAWSTargetsStayAsTheyWere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "ca.pem", "a certificate", 0o644)
	put(t, dir, "policy.json", "{}", 0o644)
	for name, c := range map[string]struct {
		target string
		want   map[string]string
	}{
		"least": {
			`  - {name: a, provider: aws, environment: test, account: "012345678901", region: eu-central-1}`,
			map[string]string{"provider": "aws", "environment": "test", "account": "012345678901", "region": "eu-central-1"},
		},
		"all": {
			`  - name: a
    provider: aws
    environment: test
    account: "111122223333"
    region: eu-central-1
    role_arn: arn:aws:iam::111122223333:role/keyferry
    external_id: keyferry-eu
    profile: keyferry
    endpoint: https://127.0.0.1:4566
    sts_endpoint: https://127.0.0.1:4567
    ca_file: ca.pem
    proxy: http://proxy.example:3128
    key_policy: {file: policy.json}
    wrapping_key: rsa-3072
    consumer: alias/x-{name}
    deletion_window: 14d
    ed25519: true
    settle: 3m
    poll: 2s
`,
			map[string]string{
				"provider": "aws", "environment": "test", "account": "111122223333", "region": "eu-central-1",
				"role_arn": "arn:aws:iam::111122223333:role/keyferry", "external_id": "keyferry-eu", "profile": "keyferry",
				"endpoint": "https://127.0.0.1:4566", "sts_endpoint": "https://127.0.0.1:4567", "proxy": "http://proxy.example:3128",
				"ca_file":      "sha256:81acd762140fa692a142822d2fbe4dc6f54bcaa501f68ab37e5aeed0bafe4d99",
				"key_policy":   "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
				"wrapping_key": "rsa-3072", "consumer": "alias/x-{name}", "deletion_window": "14d", "ed25519": "true", "settle": "3m", "poll": "2s",
			},
		},
		"inline policy": {
			`  - {name: a, provider: aws, environment: test, account: "012345678901", region: eu-central-1, key_policy: {inline: "{}"}}`,
			map[string]string{
				"provider": "aws", "environment": "test", "account": "012345678901", "region": "eu-central-1", "key_policy": "map[inline:{}]",
			},
		},
	} {
		got, err := pinsOf(t, dir, c.target)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestPinsOfOtherCloudsNameWhoseTheyAre(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "gcp.json", "{}", 0o600)
	gcp := `  - {name: g, provider: gcp, environment: test, project: my-project, location: eur4, ring: r, credentials_file: gcp.json}`
	got, err := pinsOf(t, dir, gcp)
	want := map[string]string{
		"provider": "gcp", "environment": "test", "account": "my-project", "project": "my-project", "location": "eur4", "ring": "r",
		"credentials_file": filepath.Join(dir, "gcp.json"),
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	put(t, dir, "gcp.json", `{"rotated": true}`, 0o600)
	if again, err := pinsOf(t, dir, gcp); err != nil || cmp.Diff(got, again) != "" {
		t.Errorf("a renewed secret changes the pins: %v, %v", again, err)
	}
	azure := `  - {name: a, provider: azure, environment: test, tenant: 11111111-2222-3333-4444-555555555555, vault: "https://v.vault.azure.net",
      credentials: {kind: workload-identity, client_id: 22222222-3333-4444-5555-666666666666, token_file: /var/run/token}}`
	got, err = pinsOf(t, dir, azure)
	if err != nil || got[broker.PinAccount] != "11111111-2222-3333-4444-555555555555" || !strings.Contains(got["credentials"], "/var/run/token") {
		t.Errorf("%v, %v", got, err)
	}
}

func TestFilesOfTargetsAreCheckedAndReadOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := func(path string) config.Target {
		return config.Target{Name: "g", CredentialsFile: config.Path(filepath.Join(dir, path))}
	}
	put(t, dir, "good.json", "secret", 0o600)
	files, err := readFiles(target("good.json"), public, secret, renewed)
	if err != nil || string(files[credentialsField]) != "secret" {
		t.Errorf("%v, %v", files, err)
	}
	if files, err := readFiles(target("good.json"), public); err != nil || len(files) > 0 {
		t.Errorf("a secret is read where only pins are wanted: %v, %v", files, err)
	}
	put(t, dir, "open.json", "secret", 0o644)
	put(t, dir, "big.json", strings.Repeat("x", maxTargetFile+1), 0o600)
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]broker.Kind{"open.json": broker.Denied, "big.json": broker.Misuse, "pipe": broker.Misuse, "none": broker.Misuse} {
		_, err := readFiles(target(path), secret)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), credentialsField) || strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	for _, field := range []config.AzureCredentials{
		{CertificateFile: target("open.json").CredentialsFile}, {TokenFile: target("pipe").CredentialsFile}, {TokenFile: target("none").CredentialsFile},
	} {
		if _, err := readFiles(config.Target{Name: "a", ProofCredentials: &field}, public, secret, renewed); err == nil || !strings.Contains(err.Error(), "proof_credentials") {
			t.Errorf("%+v: %v", field, err)
		}
	}
	token := config.Target{Credentials: &config.AzureCredentials{TokenFile: target("open.json").CredentialsFile}}
	if files, err := readFiles(token, renewed); err != nil || len(files) > 0 {
		t.Errorf("a token that is renewed all the time: %v, %v", files, err)
	}
}

func TestPlaceAndAccountOfEachCloud(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target                   config.Target
		account, place, endpoint string
	}{
		{config.Target{Account: "1", Region: "eu-west-1", Endpoint: "https://kms"}, "1", "eu-west-1", "https://kms"},
		{config.Target{Project: "p", Location: "eur4", Ring: "r"}, "p", "eur4/r", ""},
		{config.Target{Tenant: "t", Vault: "https://v.vault.azure.net:443/"}, "t", "v.vault.azure.net:443", "https://v.vault.azure.net:443/"},
		{config.Target{Tenant: "t", Vault: "%"}, "t", "%", "%"},
	} {
		if a, p, e := accountOf(c.target), placeOf(c.target), endpointOf(c.target); a != c.account || p != c.place || e != c.endpoint {
			t.Errorf("%+v is %s, %s, %s", c.target, a, p, e)
		}
	}
	if keyNameOf(config.Target{Consumer: "alias/{name}"}) != "alias/{name}" || keyNameOf(config.Target{KeyName: "k-{name}"}) != "k-{name}" {
		t.Error("names are not taken from the config")
	}
}
