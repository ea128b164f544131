package azurekv

import (
	"errors"
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
	ClientID        string
	CertificateFile string // PEM or PKCS #12 with certificate and private key
	CertificatePEM  []byte // its text
	TokenFile       string
	// Tokens replaces all of these.
	Tokens azcore.TokenCredential
}

// open makes the SDK's credential; it asks for nothing yet.
func (c Credentials) open(config Config, w *wire) (azcore.TokenCredential, error) {
	options := azcore.ClientOptions{
		Transport: c.asking(config, w), Retry: policy.RetryOptions{MaxRetries: -1},
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: config.authority()},
	}
	chosen := !genuine(config) // the SDK would ask Microsoft about an authority that it does not know
	switch c.Kind {
	case "", DefaultChain:
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
	case Certificate:
		return c.openCertificate(config, options, chosen)
	default:
		return nil, fmt.Errorf("credentials of kind %q: there are %s, %s, %s and %s", c.Kind, DefaultChain, ManagedIdentity, WorkloadIdentity, Certificate)
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
	if c.ClientID == "" {
		return nil, errors.New("credentials of kind certificate need a client id")
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
	hosts, machine := config.tokenHosts(), c.Kind == "" || c.Kind == DefaultChain || c.Kind == ManagedIdentity
	return transporter(func(req *http.Request) (*http.Response, error) {
		if !slices.Contains(hosts, req.URL.Host) && !(machine && ofThisMachine(req.URL.Hostname())) {
			return nil, refuse(broker.Denied, "ask for a token at", req.URL.Host, "it is neither the target's authority nor of this machine: "+
				"endpoints in the environment do not count")
		}
		return w.Do(req)
	})
}

// transporter is a function as policy.Transporter.
type transporter func(*http.Request) (*http.Response, error)

// Do implements policy.Transporter.
func (t transporter) Do(req *http.Request) (*http.Response, error) { return t(req) }
