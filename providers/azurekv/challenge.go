package azurekv

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/lazyregexp"
)

// guard stands between the SDK's authentication and the wire. It lets through what goes
// to the vault alone, and challenges of the enrolled tenant for the vault's own
// resource, written anew: so the SDK, which panics over an authority without a tenant,
// reads just what was checked here.
type guard struct {
	tenant string
	vault  string // host and port
}

// Do implements policy.Policy.
func (g guard) Do(req *policy.Request) (*http.Response, error) {
	u := req.Raw().URL
	if u.Scheme != "https" || plainHost(u.Host) != g.vault {
		return nil, g.refuse(broker.Tampered, errors.New("it leads on to "+plain(u.Scheme+"://"+u.Host)))
	}
	u.Host = g.vault // as the wire, and the SDK's own check of a challenge, know it
	resp, err := req.Next()
	if err != nil || resp.StatusCode != http.StatusUnauthorized || resp.Header.Get(challengeHeader) == "" {
		return resp, err
	}
	text, err := g.read(resp.Header.Values(challengeHeader), req.Raw().Header.Get("Authorization") != "")
	if err != nil {
		_ = resp.Body.Close() // nothing more is read of it
		return nil, err
	}
	resp.Header.Set(challengeHeader, text)
	return resp, nil
}

const challengeHeader = "WWW-Authenticate"

func (g guard) refuse(kind broker.Kind, why error) error {
	return &broker.Error{
		Kind: kind, Op: "read an answer of", Object: g.vault, Cause: why,
		Hint: "no token was sent; check vault and tenant in the target's config",
	}
}

// member of a challenge, as the SDK reads them too.
var member = lazyregexp.New(`(\w+)="([^"]*)"`)

// longestChallenge is more than any that Key Vault sends.
const longestChallenge = 4096

// read is a challenge in the SDK's form. Its members are those of Key Vault
// ("Authentication, requests and responses"); one that asks for claims has no others, and
// comes of a token: the SDK would repeat a request without one without its body.
func (g guard) read(headers []string, authorised bool) (string, error) {
	if len(headers) != 1 || len(headers[0]) > longestChallenge || !strings.HasPrefix(headers[0], "Bearer ") {
		return "", g.refuse(broker.Rejected, errors.New("its challenge is not one bearer challenge"))
	}
	members := map[string]string{}
	for _, m := range member().FindAllStringSubmatch(headers[0], -1) {
		if _, twice := members[m[1]]; twice {
			return "", g.refuse(broker.Rejected, fmt.Errorf("its challenge has %s twice", plain(m[1])))
		}
		members[m[1]] = m[2]
	}
	if claims := members["error"] == "insufficient_claims" && members["claims"] != ""; claims && !authorised {
		return "", g.refuse(broker.Rejected, errors.New("it asks for claims of a token before there is one"))
	} else if claims {
		return fmt.Sprintf(`Bearer error="insufficient_claims", claims="%s"`, members["claims"]), nil
	}
	authority, err := g.authority(members["authorization"])
	if err != nil {
		return "", err
	}
	resource, err := g.resource(members)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`Bearer authorization="https://%s/%s", resource="https://%s"`, authority, g.tenant, resource), nil
}

// hostShape has nothing that a parser of challenges could stumble over.
var hostShape = lazyregexp.New(`^[0-9A-Za-z.-]+(:[0-9]+)?$`)

func hostOf(text string) (string, *url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || !hostShape().MatchString(u.Host) {
		return "", nil, false
	}
	return u.Host, u, true
}

// authority is the host that a challenge names, if with the enrolled tenant. Tokens are
// asked for at the configured one all the same.
func (g guard) authority(text string) (string, error) {
	host, u, ok := hostOf(text)
	if !ok || strings.Trim(u.Path, "/") == "" {
		return "", g.refuse(broker.Rejected, errors.New("its challenge names no authority with a tenant"))
	}
	tenant, _, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if !strings.EqualFold(tenant, g.tenant) {
		return "", g.refuse(broker.Tampered, fmt.Errorf("it asks for tokens of tenant %s, enrolled is %s", plain(tenant), g.tenant))
	}
	return host, nil
}

// resource is the host that tokens are to be for: the domain that the vault is in, and
// no other.
func (g guard) resource(members map[string]string) (string, error) {
	text, ok := members["scope"]
	if !ok {
		text = members["resource"]
	}
	host, _, ok := hostOf(strings.TrimSuffix(text, "/.default"))
	_, domain, _ := strings.Cut(g.vault, ".")
	switch {
	case !ok:
		return "", g.refuse(broker.Rejected, errors.New("its challenge names no resource"))
	case !strings.EqualFold(host, domain):
		return "", g.refuse(broker.Tampered, fmt.Errorf("it asks for tokens for %s, not for %s", host, domain))
	}
	return host, nil
}
