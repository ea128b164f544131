package azureemu

import (
	"crypto/sha1" //nolint:gosec // x5t is SHA-1 by RFC 7515 §4.1.7
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// assertionType is the one kind of client assertion (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// prove refuses a principal that does not show what it has: a certificate's
// signature, a federated token, or its secret.
func (s *Server) prove(p *principal, form url.Values) error {
	secret, assertion := form.Get("client_secret"), form.Get("client_assertion")
	switch {
	case secret != "" && assertion == "":
		if subtle.ConstantTimeCompare([]byte(secret), []byte(p.Secret)) != 1 {
			return refuse("invalid_client", "AADSTS7000215: Invalid client secret provided.")
		}
		return nil
	case assertion == "" || secret != "" || form.Get("client_assertion_type") != assertionType:
		return refuse("invalid_client", "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	t, err := parseToken(assertion)
	if err != nil {
		return refuse("invalid_client", "AADSTS50027: JWT token is invalid or malformed.")
	}
	if t.header.KeyID == s.federation.id {
		return s.checkFederated(p, t)
	}
	return s.checkAssertion(p, t)
}

// checkAssertion holds a client's own assertion against its certificate (Microsoft
// identity platform: certificate credentials).
func (s *Server) checkAssertion(p *principal, t token) error {
	public := p.public()
	now := date(s.tokenTime().Unix())
	endpoints := []string{s.tokenEndpoint(p.Tenant), s.issuer(p.Tenant)}
	known := func(aud string) bool {
		return slices.ContainsFunc(endpoints, func(e string) bool { return strings.EqualFold(e, aud) })
	}
	switch {
	case public == nil || !p.isThumbprint(t.header):
		return refuse("invalid_client", "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application.")
	case !t.verifiedBy(public):
		return refuse("invalid_client", "AADSTS700027: Client assertion failed signature validation.")
	case t.claims.Issuer != p.ClientID || t.claims.Subject != p.ClientID:
		return refuse("invalid_client", "AADSTS700021: Client assertion application identifier doesn't match 'client_id' parameter.")
	case len(t.claims.Audience) != 1 || !known(t.claims.Audience[0]):
		return refuse("invalid_client", "AADSTS700023: Client assertion audience claim does not match Realm issuer.")
	case now >= t.claims.Expires || now < t.claims.NotBefore-clockSkew || t.claims.ID == "":
		return refuse("invalid_client", "AADSTS700024: Client assertion is not within its valid time range.")
	}
	return nil
}

// clockSkew is how many seconds ahead a client's clock may be.
const clockSkew = 300

// checkFederated holds a token of the trusted identity provider against what the
// principal trusts: issuer, subject and audience.
func (s *Server) checkFederated(p *principal, t token) error {
	now := date(s.tokenTime().Unix())
	switch {
	case !s.federation.verifies(t):
		return refuse("invalid_client", "AADSTS700211: No matching federated identity record found: the signature is wrong.")
	case t.claims.Issuer != s.federatedIssuer() || t.claims.Subject != federatedSubject(p.ClientID) || !slices.Contains(t.claims.Audience, federatedAudience):
		return refuse("invalid_client", "AADSTS70021: No matching federated identity record found for presented assertion.")
	case now >= t.claims.Expires || now < t.claims.NotBefore-clockSkew:
		return refuse("invalid_client", "AADSTS700024: Client assertion is not within its valid time range.")
	}
	return nil
}

func (s *Server) federatedIssuer() string { return s.entraURL + "/federated" }

// federatedSubject is whom the identity provider speaks of.
func federatedSubject(clientID string) string { return "system:serviceaccount:keyferry:" + clientID }

// isThumbprint says whether an assertion's header names the principal's
// certificate, by SHA-256 or SHA-1, in base64, base64url or hex as SDKs write it.
func (p *principal) isThumbprint(h tokenHeader) bool {
	long, short := sha256.Sum256(p.certificate.Raw), sha1.Sum(p.certificate.Raw) //nolint:gosec // as above
	names := func(sum []byte, text string) bool {
		return text == base64.StdEncoding.EncodeToString(sum) || text == base64url(sum) || strings.EqualFold(text, hex.EncodeToString(sum)) ||
			text == base64.URLEncoding.EncodeToString(sum)
	}
	if h.X5TS256 != "" {
		return names(long[:], h.X5TS256)
	}
	return names(short[:], h.X5T)
}
