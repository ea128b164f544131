package azurekv

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/keyferry/keyferry/broker"
)

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
	switch app := cmp.Or(p.who.App, p.who.AppV2); {
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
