package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

// clouds is a config with a target of each kind, in which tests replace a line.
const clouds = `store: keyferry.db
token:
  name: hsm
  module: /usr/lib/softhsm/libsofthsm2.so
  label: test
  environment: test
  pin: {file: pin}
targets:
  - name: aws-one
    provider: aws
    environment: test
    account: "012345678901"
    region: eu-central-1
  - name: aws-two
    provider: aws
    environment: test
    account: "012345678901"
    region: eu-west-1
    replica_of: aws-one
  - name: google
    environment: test
    project: my-project
    location: europe-west3
    ring: keyferry
    attestation: required
    credentials_file: gcp.json
    provider: gcp
  - name: azure
    provider: azure
    environment: test
    tenant: 11111111-2222-3333-4444-555555555555
    vault: https://my-vault.vault.azure.net
    kek_valid_for: 30d
    credentials: {kind: certificate, client_id: 22222222-3333-4444-5555-666666666666, certificate_file: azure.pem}
policies:
  - name: signing
    spec: ec-p384
    targets: [aws-one, aws-two, google, azure]
    algorithms: {gcp: EC_SIGN_P384_SHA384}
    activate: false
    allow_software: true
    deletion_window: 14d
    valid_for: 90d
    valid_after: 1d
`

func TestEachCloudHasItsOwnFields(t *testing.T) {
	t.Parallel()
	got, err := parse(t, clouds)
	if err != nil {
		t.Fatal(err)
	}
	staged := false
	want := []config.Target{
		{Name: "aws-one", Provider: "aws", Environment: "test", Account: "012345678901", Region: "eu-central-1"},
		{Name: "aws-two", Provider: "aws", Environment: "test", Account: "012345678901", Region: "eu-west-1", ReplicaOf: "aws-one"},
		{
			Name: "google", Provider: "gcp", Environment: "test", Project: "my-project", Location: "europe-west3", Ring: "keyferry",
			Attestation: "required", CredentialsFile: "/etc/keyferry/gcp.json",
		},
		{
			Name: "azure", Provider: "azure", Environment: "test", Tenant: "11111111-2222-3333-4444-555555555555",
			Vault: "https://my-vault.vault.azure.net", KEKValidFor: config.Duration(30 * 24 * time.Hour),
			Credentials: &config.AzureCredentials{
				Kind: "certificate", ClientID: "22222222-3333-4444-5555-666666666666", CertificateFile: "/etc/keyferry/azure.pem",
			},
		},
	}
	if diff := cmp.Diff(want, got.Targets); diff != "" {
		t.Error(diff)
	}
	day := config.Duration(24 * time.Hour)
	policy := []config.Policy{{
		Name: "signing", Spec: broker.ECP384, Targets: []string{"aws-one", "aws-two", "google", "azure"},
		Algorithms: map[string]string{"gcp": "EC_SIGN_P384_SHA384"}, Activate: &staged, AllowSoftware: true,
		DeletionWindow: 14 * day, ValidFor: 90 * day, ValidAfter: day,
	}}
	if diff := cmp.Diff(policy, got.Policies); diff != "" {
		t.Error(diff)
	}
}

func badClouds() []bad {
	return []bad{
		{
			"field of another provider", "    ring: keyferry", "    ring: keyferry\n    region: eu-west-1",
			":25:5: targets[2].region: a target of gcp has no region, which belongs to aws; allowed: name, provider, environment, project",
		},
		{
			"field of two others", "    kek_valid_for: 30d", "    deletion_window: 30d",
			":33:5: targets[3].deletion_window: a target of azure has no deletion_window, which belongs to aws and gcp",
		},
		{"field of Azure at AWS", "    region: eu-central-1", "    region: eu-central-1\n    vault: https://v.vault.azure.net", "targets[0].vault: a target of aws has no vault, which belongs to azure"},
		{"its value is not read", "    region: eu-central-1", "    region: eu-central-1\n    vault: [1, {x: 4711}]", "targets[0].vault: a target of aws has no vault"},
		{"unknown field", "    ring: keyferry", "    rings: keyferry", `:24:5: unknown key "rings" in targets[2]; did you mean ring? allowed: name`},
		{"missing at Google", "    ring: keyferry\n", "", "targets[2].ring is missing: the key ring"},
		{"missing at Azure", "    tenant: 11111111-2222-3333-4444-555555555555\n", "", "targets[3].tenant is missing"},
		{"no provider, no more", "    provider: gcp\n", "", "targets[2].provider is missing"},
		{"unknown provider", "    provider: gcp\n", "    provider: gpc\n", `targets[2].provider: "gpc" is unknown; allowed: aws, gcp, azure`},
		{"number of a project", "project: my-project", "project: 123456789012", `targets[2].project: "123456789012" is not the id of a project`},
		{"ring", "ring: keyferry", "ring: key/ferry", "targets[2].ring"},
		{"attestation", "attestation: required", "attestation: checked", `targets[2].attestation: "checked" is unknown; allowed: required`},
		{"window at Google", "attestation: required", "deletion_window: 121d", "targets[2].deletion_window: 121d is not from 1d to 120d"},
		{"wrapping key at Google", "attestation: required", "wrapping_key: rsa-2048", "targets[2].wrapping_key: Google has none of 2048 bits"},
		{"protection", "attestation: required", "protection: hms", `targets[2].protection: "hms" is unknown; allowed: hsm, software`},
		{"key name", "attestation: required", "key_name: fixed", "targets[2].key_name: \"fixed\" is not letters, digits, _ and - with {name} among them"},
		{"impersonate", "attestation: required", "impersonate: somebody", "targets[2].impersonate: \"somebody\" is not the address of a service account"},
		{"tenant", "tenant: 11111111-2222-3333-4444-555555555555", "tenant: contoso.example", "is not a tenant id"},
		{"vault", "https://my-vault.vault.azure.net", "my-vault", "targets[3].vault: \"my-vault\" is not a URL"},
		{"vault with a path", "https://my-vault.vault.azure.net", "https://my-vault.vault.azure.net/keys", "targets[3].vault"},
		{"key name at Azure", "    kek_valid_for: 30d", "    key_name: kf_{name}", "targets[3].key_name: Azure takes letters, digits and -"},
		{"vault without TLS", "https://my-vault", "http://my-vault", "is not a URL like https://my-vault.vault.azure.net"},
		{"short life of a KEK", "kek_valid_for: 30d", "kek_valid_for: 1d", "targets[3].kek_valid_for: 1d is not from 2d to 730d"},
		{"software in a Managed HSM", "kek_valid_for: 30d", "kind: managed-hsm\n    protection: software", "targets[3].protection: a Managed HSM keeps nothing in software"},
		{"kind", "    kek_valid_for: 30d", "    kind: hsm", `targets[3].kind: "hsm" is unknown`},
		{"credentials without a kind", "{kind: certificate, client_id", "{client_id", "targets[3].credentials.kind is missing"},
		{"kind of credentials", "kind: certificate", "kind: secret", `targets[3].credentials.kind: "secret" is unknown; allowed: default`},
		{"a secret", "certificate_file: azure.pem", "client_secret: 4711-secret", `unknown key "client_secret" in targets[3].credentials`},
		{"credentials lack", ", certificate_file: azure.pem", "", "targets[3].credentials.certificate_file is missing: kind certificate needs it"},
		{"credentials have too much", "kind: certificate", "kind: managed-identity", "targets[3].credentials.certificate_file goes with another kind than managed-identity"},
		{"workload identity without its token", "kek_valid_for: 30d", "proof_credentials: {kind: workload-identity}", "targets[3].proof_credentials.token_file is missing"},
		{"replica of nothing", "replica_of: aws-one", "replica_of: aws-on", `:19:17: targets[1].replica_of: no other target is called "aws-on"; did you mean aws-one?`},
		{"replica of itself", "replica_of: aws-one", "replica_of: aws-two", `no other target is called "aws-two"`},
		{"replica elsewhere", "replica_of: aws-one", "replica_of: google", "google is a target of gcp; only AWS has replicas"},
		{"replica in the same region", "region: eu-west-1", "region: eu-central-1", "aws-one is in eu-central-1 too; a replica is in another region"},
		{"replica of another account", "012345678901\"\n    region: eu-west-1", "999999999999\"\n    region: eu-west-1", "aws-one is in account 012345678901, not 999999999999"},
		{"replica without its primary", "[aws-one, aws-two,", "[aws-two,", "aws-two holds replicas of keys at aws-one, which the policy does not have"},
		{"replica of a replica", "    region: eu-central-1", "    region: eu-central-1\n    replica_of: aws-two", "aws-two holds replicas itself"},
		{"proof role elsewhere", "    region: eu-central-1", "    region: eu-central-1\n    proof_role_arn: arn:aws:iam::999999999999:role/k", "proof_role_arn: the role is not in account 012345678901"},
		{"proof external id alone", "    region: eu-central-1", "    region: eu-central-1\n    proof_external_id: abc", "proof_external_id goes with a proof_role_arn"},
		{"algorithm of nobody", "{gcp: EC", "{gpc: EC", `policies[0].algorithms.gpc: there is no provider "gpc"; allowed: aws, gcp, azure`},
		{"algorithm", "EC_SIGN_P384_SHA384}", `"EC SIGN"}`, `policies[0].algorithms.gcp: "EC SIGN" is not a provider's word`},
		{"window that one target does not take", "deletion_window: 14d", "deletion_window: 3d", "policies[0].deletion_window: 3d is not from 7d to 30d in whole days, which target aws-one takes"},
		{"valid after the end", "valid_after: 1d", "valid_after: 90d", "policies[0].valid_after: 90d is not before the end (valid_for: 90d)"},
		{"activate", "activate: false", "activate: later", "policies[0].activate must be true or false"},
	}
}

func TestBadCloudsNamePlaceFieldAndProvider(t *testing.T) {
	t.Parallel()
	for _, b := range badClouds() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(clouds, b.old, b.new, 1)
			if text == clouds {
				t.Fatalf("%q is not in the config", b.old)
			}
			_, err := parse(t, text)
			if !errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), b.want) {
				t.Errorf("error is\n%v\nwant in it\n%s", err, b.want)
			}
			if strings.Contains(err.Error(), "4711") {
				t.Errorf("the error repeats what may be a secret: %v", err)
			}
		})
	}
}

func TestRawEncryptIsAPurpose(t *testing.T) {
	t.Parallel()
	c, err := parse(t, strings.Replace(good, "spec: aes-256", "spec: aes-256\n    purpose: raw-encrypt", 1))
	if err != nil || c.Policies[0].Purpose != broker.RawEncrypt {
		t.Errorf("%v", err)
	}
}
