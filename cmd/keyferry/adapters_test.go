package main

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyferry/keyferry/broker/config"
	"github.com/keyferry/keyferry/providers/awskms"
	"github.com/keyferry/keyferry/providers/azurekv"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

// wired is a config whose targets have every field.
const wired = `  - {name: plain, provider: aws, environment: test, account: "111122223333", region: eu-central-1}
  - {name: primary, provider: aws, environment: production, account: "111122223333", region: eu-central-1, endpoint: "https://127.0.0.1:1"}
  - name: replica
    provider: aws
    environment: production
    account: "111122223333"
    region: eu-west-1
    replica_of: primary
    role_arn: arn:aws:iam::111122223333:role/a
    external_id: ab
    proof_role_arn: arn:aws:iam::111122223333:role/b
    proof_external_id: cd
    profile: p
    endpoint: https://127.0.0.1:2
    sts_endpoint: https://127.0.0.1:3
    ca_file: ca.pem
    proxy: http://proxy:1
    key_policy: {inline: "{}"}
    wrapping_key: rsa-2048
    deletion_window: 7d
    ed25519: true
    settle: 2m
    poll: 3s
    quotas: {GetParametersForImport: 5}
  - name: google
    provider: gcp
    environment: production
    project: my-project
    location: eur4
    ring: r
    protection: software
    attestation: required
    sole_writer: true
    credentials_file: gcp.json
    impersonate: a@p.example
    proof_impersonate: b@p.example
    quota_project: other-project
    endpoint: https://127.0.0.1:4
    token_endpoint: https://127.0.0.1:5
    ca_file: ca.pem
    proxy: http://proxy:1
    wrapping_key: rsa-3072
    key_name: k-{name}
    deletion_window: 2d
    settle: 2m
    poll: 3s
    quotas: {write: 2}
  - name: azure
    provider: azure
    environment: production
    tenant: 11111111-2222-3333-4444-555555555555
    vault: https://my-hsm.managedhsm.azure.net
    kind: managed-hsm
    protection: hsm
    kek_valid_for: 20d
    credentials: {kind: certificate, client_id: 22222222-3333-4444-5555-666666666666, certificate_file: azure.pem}
    proof_credentials: {kind: workload-identity, client_id: 33333333-4444-5555-6666-777777777777, token_file: token}
    authority: https://127.0.0.1:6
    ca_file: ca.pem
    proxy: http://proxy:1
    wrapping_key: rsa-2048
    settle: 2m
    poll: 3s
    quotas: {create: 3}
`

func wiredTarget(t *testing.T, name string) asked {
	t.Helper()
	c, err := config.Parse("/etc/keyferry.yaml", []byte(pinnedHead+wired))
	if err != nil {
		t.Fatal(err)
	}
	target, ok := c.Target(name)
	if !ok {
		t.Fatalf("no target %s", name)
	}
	return asked{config: c, Target: target, files: targetFiles{caField: []byte("ca"), credentialsField: []byte("secret"), certificateField: []byte("pem")}}
}

func TestEveryFieldOfAnAWSTargetArrives(t *testing.T) {
	t.Parallel()
	want := awskms.Config{
		Account: "111122223333", Region: "eu-west-1", RoleARN: "arn:aws:iam::111122223333:role/a", ExternalID: "ab",
		ProofRoleARN: "arn:aws:iam::111122223333:role/b", ProofExternalID: "cd", Profile: "p",
		Endpoint: "https://127.0.0.1:2", STSEndpoint: "https://127.0.0.1:3", CAFile: "/etc/ca.pem", CAPEM: []byte("ca"), Proxy: "http://proxy:1",
		Production: true, PrimaryRegion: "eu-central-1", PrimaryEndpoint: "https://127.0.0.1:1", KeyPolicy: "{}", Ed25519: true,
		WrappingKeyBits: 2048, DeletionWindow: 7 * 24 * time.Hour, Settle: 2 * time.Minute, Poll: 3 * time.Second,
		Quotas: map[string]float64{"GetParametersForImport": 5},
	}
	if diff := cmp.Diff(want, configAWS(wiredTarget(t, "replica")), cmpopts.IgnoreUnexported(awskms.Config{})); diff != "" {
		t.Error(diff)
	}
	for name, replicated := range map[string]bool{"plain": false, "primary": true} {
		c := configAWS(wiredTarget(t, name))
		if c.Replicated != replicated || c.PrimaryRegion != "" || c.Production == (name == "plain") || c.WrappingKeyBits != 4096 {
			t.Errorf("%s is %+v", name, c)
		}
	}
}

func TestEveryFieldOfAGoogleTargetArrives(t *testing.T) {
	t.Parallel()
	a := wiredTarget(t, "google")
	want := gcpkms.Config{
		Project: "my-project", Location: "eur4", Ring: "r", Protection: "software", SoleWriter: true,
		CredentialsFile: filepath.Join("/etc", "gcp.json"), CredentialsJSON: []byte("secret"), Impersonate: "a@p.example",
		ProofImpersonate: "b@p.example", QuotaProject: "other-project", Endpoint: "https://127.0.0.1:4", TokenEndpoint: "https://127.0.0.1:5",
		CAFile: "/etc/ca.pem", CAPEM: []byte("ca"), Proxy: "http://proxy:1", Production: true, WrappingKeyBits: 3072,
		DeletionWindow: 2 * 24 * time.Hour, Settle: 2 * time.Minute, Poll: 3 * time.Second, Quotas: map[string]float64{"write": 2},
	}
	if diff := cmp.Diff(want, configGCP(a), cmpopts.IgnoreUnexported(gcpkms.Config{})); diff != "" {
		t.Error(diff)
	}
	b := brokerTarget(a.Target, openTarget{genuine: true}, map[string]string{"x": "y"})
	if !b.WrappingKey.Attestation || b.WrappingKey.MinBits != 3072 || b.Consumer != "k-{name}" || b.Place != "eur4/r" || !b.Genuine || b.Window != 48*time.Hour {
		t.Errorf("to the broker it is %+v", b)
	}
	if r := brokerTarget(wiredTarget(t, "replica").Target, openTarget{}, nil); r.ReplicaOf != "primary" || r.Place != "eu-west-1" || r.WrappingKey.Attestation {
		t.Errorf("a replica is %+v", r)
	}
}

func TestEveryFieldOfAnAzureTargetArrives(t *testing.T) {
	t.Parallel()
	want := azurekv.Config{
		Tenant: "11111111-2222-3333-4444-555555555555", VaultURL: "https://my-hsm.managedhsm.azure.net", Kind: azurekv.ManagedHSM,
		Protection: azurekv.HSM, KEKValidFor: 20 * 24 * time.Hour, WrappingKeyBits: 2048,
		Credentials: azurekv.Credentials{
			Kind: azurekv.Certificate, ClientID: "22222222-3333-4444-5555-666666666666", CertificateFile: "/etc/azure.pem", CertificatePEM: []byte("pem"),
		},
		ProofCredentials: &azurekv.Credentials{
			Kind: azurekv.WorkloadIdentity, ClientID: "33333333-4444-5555-6666-777777777777", TokenFile: "/etc/token",
		},
		Authority: "https://127.0.0.1:6", CAFile: "/etc/ca.pem", CAPEM: []byte("ca"), Proxy: "http://proxy:1", Production: true,
		Settle: 2 * time.Minute, Poll: 3 * time.Second, Quotas: map[string]float64{"create": 3},
	}
	if diff := cmp.Diff(want, configAzure(wiredTarget(t, "azure")), cmpopts.IgnoreUnexported(azurekv.Config{})); diff != "" {
		t.Error(diff)
	}
}

// The words of the config are the adapter's.
func TestKindsOfAzureCredentialsAreTheAdapters(t *testing.T) {
	t.Parallel()
	field, _ := reflect.TypeFor[config.AzureCredentials]().FieldByName("Kind")
	if got, want := strings.Fields(field.Tag.Get("oneof")), []string{
		azurekv.DefaultChain, azurekv.ManagedIdentity, azurekv.WorkloadIdentity, azurekv.Certificate,
	}; cmp.Diff(got, want) != "" {
		t.Errorf("the config has %q, the adapter %q", got, want)
	}
}
