package azurekv

import (
	"fmt"
	"net/http"
	"os"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/keyferry/keyferry/broker"
)

// Kinds of credentials.
const (
	DefaultChain     = "default"           // the SDK's own
	ManagedIdentity  = "managed-identity"  // of this machine; ClientID names a user-assigned one
	WorkloadIdentity = "workload-identity" // a token that the platform keeps in TokenFile
	Certificate      = "certificate"
)

// Credentials say who asks.
type Credentials struct {
	Kind            string // "" is DefaultChain
	ClientID        string // of the application; required for WorkloadIdentity and Certificate
	CertificateFile string // PEM or PKCS #12 with certificate and private key
	CertificatePEM  []byte // its text
	TokenFile       string // "" is where the platform says it is (AZURE_FEDERATED_TOKEN_FILE)
	// Tokens replaces all of these.
	Tokens azcore.TokenCredential
}

// check refuses what cannot be meant.
func (c Credentials) check() error {
	switch {
	case c.Tokens != nil:
		return nil
	case !slices.Contains([]string{DefaultChain, ManagedIdentity, WorkloadIdentity, Certificate}, c.Kind):
		return fmt.Errorf("kind %q: there are %s, %s, %s and %s", c.Kind, DefaultChain, ManagedIdentity, WorkloadIdentity, Certificate)
	case (c.Kind == Certificate || c.Kind == WorkloadIdentity) && c.ClientID == "":
		return fmt.Errorf("kind %s needs a client id", c.Kind)
	case c.Kind == Certificate && c.CertificateFile == "" && len(c.CertificatePEM) == 0:
		return fmt.Errorf("kind %s needs a certificate file", c.Kind)
	case c.Kind == DefaultChain && c.ClientID+c.TokenFile+c.CertificateFile != "":
		return fmt.Errorf("kind %s takes nothing else", c.Kind)
	default:
		return nil
	}
}

// same reports whether both are one identity, as far as the config says.
func (c Credentials) same(d Credentials) bool {
	return c.Tokens == nil && d.Tokens == nil && c.Kind == d.Kind && c.ClientID == d.ClientID
}

// open makes the SDK's credential; it asks for nothing yet.
func (c Credentials) open(config Config, w *wire) (azcore.TokenCredential, error) {
	options := azcore.ClientOptions{
		Transport: c.asking(config, w), Retry: policy.RetryOptions{MaxRetries: -1},
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: config.authority()},
	}
	chosen := !genuine(config) // the SDK would ask Microsoft about an authority that it does not know
	switch c.Kind {
	case DefaultChain:
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: options, TenantID: config.Tenant, DisableInstanceDiscovery: chosen,
		})
	case ManagedIdentity:
		o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		if c.ClientID != "" {
			o.ID = azidentity.ClientID(c.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(o)
	case WorkloadIdentity:
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: options, ClientID: c.ClientID, TenantID: config.Tenant, TokenFilePath: c.TokenFile, DisableInstanceDiscovery: chosen,
		})
	default:
		return c.openCertificate(config, options, chosen)
	}
}

func (c Credentials) openCertificate(config Config, options azcore.ClientOptions, chosen bool) (azcore.TokenCredential, error) {
	text := c.CertificatePEM
	if len(text) == 0 {
		var err error
		if text, err = os.ReadFile(c.CertificateFile); err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
	}
	certificates, key, err := azidentity.ParseCertificates(text, nil)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return azidentity.NewClientCertificateCredential(config.Tenant, c.ClientID, certificates, key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions: options, DisableInstanceDiscovery: chosen,
	})
}

// asking is the transport of requests for tokens. They go to the authority; where the
// identity is this machine's, to its metadata services too. What the environment names
// beside those (a regional authority, another identity endpoint) does not count.
func (c Credentials) asking(config Config, w *wire) policy.Transporter {
	hosts, machine := config.tokenHosts(), c.Kind == DefaultChain || c.Kind == ManagedIdentity
	return transporter(func(req *http.Request) (*http.Response, error) {
		host := req.URL.Host
		if known := slices.Contains(hosts, host) || machine && ofThisMachine(req.URL.Hostname()); !known {
			return nil, refuse(broker.Denied, "ask for a token at", host, "it is neither the target's authority nor of this machine: "+
				"endpoints in the environment do not count")
		}
		return w.Do(req)
	})
}

// transporter is a function as policy.Transporter.
type transporter func(*http.Request) (*http.Response, error)

// Do implements policy.Transporter.
func (t transporter) Do(req *http.Request) (*http.Response, error) { return t(req) }
