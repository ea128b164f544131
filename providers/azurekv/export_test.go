package azurekv

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
)

// What tests in another package hold: parsers of what comes from outside.
var (
	NewBlob       = newBlob
	RetryAfter    = retryAfter
	DEROf         = derOf
	OfThisMachine = ofThisMachine
)

// ReadChallenge is what the SDK gets to read of a vault's challenge to a token.
func ReadChallenge(tenant, vault, header string) (string, error) {
	return guard{tenant: tenant, vault: vault}.read([]string{header}, true)
}

// ProxyFor a host, where one is configured.
func ProxyFor(proxy, host string) (*url.URL, error) {
	u, err := endpoint.ParseProxy(proxy)
	return proxyFor(u, host), err
}

// Parse takes an id apart.
func (p *Provider) Parse(id string) (broker.VersionRef, error) { return p.parse(id) }

// Observe is what is seen in a key bundle, and its public key.
func (p *Provider) Observe(text []byte) (o broker.Observation, public []byte, err error) {
	var b azkeys.KeyBundle
	if err := json.Unmarshal(text, &b); err != nil {
		return o, nil, err
	}
	if o, err = p.observe(seen{key: b.Key, attributes: b.Attributes, tags: b.Tags}); err != nil {
		return o, nil, err
	}
	public, _ = publicKey(b.Key)
	return o, public, nil
}

// Usable is a bundle as a KEK.
func (p *Provider) Usable(text []byte) (broker.WrappingKey, error) {
	var b azkeys.KeyBundle
	if err := json.Unmarshal(text, &b); err != nil {
		return broker.WrappingKey{}, err
	}
	return p.kek(call{verb: "use", object: "KEK"}, b, broker.VersionRef{Key: broker.KeyRef{ID: p.keyID(kekName)}})
}

// Tags of an import, and what is seen of them again; an error where they are refused.
func Tags(e broker.Effect, in broker.PrepareIn) (sent, all, customers map[string]string, err error) {
	if err := checkTags("key", in.Tags); err != nil {
		return nil, nil, nil, err
	}
	tags, sent := tagsOf(e, in), map[string]string{}
	for name, value := range tags {
		sent[name] = *value
	}
	all, customers = values(tags)
	return sent, all, customers, nil
}

// OwnTags are the broker's.
func OwnTags() []string { return slices.Clone(ownTags()) }

// ReadRefusal is a refusal in the broker's words, as an import's.
func (p *Provider) ReadRefusal(status int, body []byte) error {
	refused := &azcore.ResponseError{StatusCode: status, RawResponse: &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body))}}
	return p.translate(call{name: "ImportKey", verb: "import", object: "key", changes: true}, &record{sent: true}, refused)
}

// Holder is who a token says that it is for.
func Holder(token string) string { return (&pinned{who: readClaims(token)}).principal() }
