package azurekv

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

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
func (c Credentials) open(config Config, transport policy.Transporter) (azcore.TokenCredential, error) {
	options := azcore.ClientOptions{
		Transport: transport, Retry: policy.RetryOptions{MaxRetries: -1},
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

// pinned is a credential that gives tokens of one tenant only, to a vault that names
// just that one.
type pinned struct {
	tenant string
	azcore.TokenCredential

	mu  sync.Mutex
	who claims // of the last token
}

// claims are what a token says of its holder. They are not verified: the vault does
// that. They are for people.
type claims struct {
	Tenant string `json:"tid"`
	Object string `json:"oid"`
	App    string `json:"appid"`
	AppV2  string `json:"azp"`
}

// GetToken implements azcore.TokenCredential. The SDK asks with the tenant of the
// vault's challenge.
func (p *pinned) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if o.TenantID != "" && !strings.EqualFold(o.TenantID, p.tenant) {
		return azcore.AccessToken{}, p.foreign("the vault asks for tokens of tenant " + plain(o.TenantID))
	}
	token, err := p.TokenCredential.GetToken(ctx, o)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	who := readClaims(token.Token)
	if who.Tenant != "" && !strings.EqualFold(who.Tenant, p.tenant) {
		return azcore.AccessToken{}, p.foreign("the credentials belong to tenant " + plain(who.Tenant))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.who = who
	return token, nil
}

func (p *pinned) foreign(why string) error {
	return &broker.Error{
		Kind: broker.Tampered, Op: "ask for a token of", Object: "tenant " + p.tenant, Cause: errors.New(why + ", enrolled is another"),
		Hint: "nothing was sent to the vault; check vault and tenant in the target's config",
	}
}

// principal is who the last token was for; "" before there was one.
func (p *pinned) principal() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch app := first(p.who.App, p.who.AppV2); {
	case app != "" && p.who.Object != "":
		return plain("application " + app + ", object " + p.who.Object)
	case p.who.Object != "":
		return plain("object " + p.who.Object)
	default:
		return plain(app)
	}
}

// readClaims of a JSON Web Token (RFC 7519); zero where it is none.
func readClaims(token string) (who claims) {
	part := strings.Split(token, ".")
	if len(part) != 3 {
		return claims{}
	}
	text, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil || json.Unmarshal(text, &who) != nil {
		return claims{}
	}
	return who
}
