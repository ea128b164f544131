package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"path"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/localstack/azureemu"
)

const kekName = "keyferry-kek"

// contributor is somebody else who may write keys at a vault: an identity of his own,
// and Azure's client.
func (c *clouds) contributor(t *testing.T, vault string) *azkeys.Client {
	t.Helper()
	const id = "c0117e86-2222-4333-8444-555555555555"
	fatal(t, c.Azure.Admin().Configure(t.Context(), azureemu.Change{Principals: []azureemu.Principal{{ClientID: id}}}))
	his, err := c.Azure.CredentialsOf(id)
	fatal(t, err)
	certificates, key, err := azidentity.ParseCertificates(his.CertificatePEM, nil)
	fatal(t, err)
	options := c.azureOptions(t)
	credential, err := azidentity.NewClientCertificateCredential(his.Tenant, id, certificates, key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions: options, DisableInstanceDiscovery: true,
	})
	fatal(t, err)
	client, err := azkeys.NewClient(c.Azure.URL(vault), credential, &azkeys.ClientOptions{ClientOptions: options})
	fatal(t, err)
	return client
}

// azureOptions trust the CA of the run, find every name on loopback, and retry nothing.
func (c *clouds) azureOptions(t *testing.T) azcore.ClientOptions {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.Azure.CAPEM())
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return azcore.ClientOptions{
		Transport: &http.Client{Transport: transport}, Retry: policy.RetryOptions{MaxRetries: -1},
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: c.Azure.AuthorityURL()},
	}
}

// plantsKEK makes a version that is just as a KEK must be, under the name of ours, and
// returns its id.
func plantsKEK(t *testing.T, his *azkeys.Client, tags map[string]string) string {
	t.Helper()
	in := azkeys.CreateKeyParameters{
		Kty: new(azkeys.KeyTypeRSAHSM), KeySize: new(int32(4096)), KeyOps: []*azkeys.KeyOperation{new(azkeys.KeyOperationImport)}, Tags: map[string]*string{},
	}
	for name, value := range tags {
		in.Tags[name] = &value
	}
	made, err := his.CreateKey(t.Context(), kekName, in, nil)
	fatal(t, err)
	return made.Key.KID.Version()
}

// tagsAt are those of a KEK's version; "" is the newest.
func tagsAt(t *testing.T, his *azkeys.Client, version string) map[string]string {
	t.Helper()
	got, err := his.GetKey(t.Context(), kekName, version, nil)
	fatal(t, err)
	out := map[string]string{}
	for name, value := range got.Tags {
		out[name] = *value
	}
	return out
}

// keptKEK is a KEK that target show lists.
type keptKEK struct{ Ref, Operation, Ended string }

// version is the vault's id of it.
func (k keptKEK) version() string { return path.Base(k.Ref) }

// keptKEKs are those on record, the newest first.
func (c *clouds) keptKEKs(t *testing.T, target string) []keptKEK {
	t.Helper()
	var shown struct {
		WrappingKeys []keptKEK `json:"wrapping_keys"`
	}
	fatal(t, json.Unmarshal([]byte(c.Must(t, "target", "show", target, "--output", "json").Stdout), &shown))
	return shown.WrappingKeys
}

// cameUnder holds what the emulator unwrapped at a vault, by version of the KEK,
// against what was to come.
func (c *clouds) cameUnder(t *testing.T, vault string, want map[string]int) {
	t.Helper()
	report, err := c.Azure.Admin().Report(t.Context())
	fatal(t, err)
	got := map[string]int{}
	for _, k := range report.Keys {
		if k.Name == kekName && k.Region == vault {
			maps.Copy(got, k.Unwrapped)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("by KEK there came %v, want %v", got, want)
	}
}
