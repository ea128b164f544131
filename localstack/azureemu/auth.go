package azureemu

import (
	"fmt"
	"slices"
	"strings"
)

// challenge is what an unauthorized request is answered with. SDKs split it at
// spaces, and take the tenant for the fourth part of the first URL.
func (s *Server) challenge(v Vault) string {
	return fmt.Sprintf("Bearer authorization=%q, resource=%q", s.entraURL+"/"+v.Tenant, s.resourceOf(v))
}

// authenticate finds out who sent a request to a vault. It needs the server's lock.
func (s *Server) authenticate(header string, v *vault) (*principal, error) {
	text, ok := strings.CutPrefix(header, "Bearer ")
	if !ok || text == "" {
		return nil, refuse(codeUnauthorized, "AKV10000: Request is missing a Bearer or PoP token.")
	}
	t, err := parseToken(text)
	if err != nil || !s.tokens.verifies(t) {
		return nil, refuse(codeUnauthorized, "AKV10046: Unable to resolve the key used for signature validation.")
	}
	now := date(s.tokenTime().Unix())
	switch {
	case now >= t.claims.Expires, now < t.claims.NotBefore:
		return nil, refuse(codeUnauthorized, "AKV10022: Invalid token: it has expired, or is not valid yet.")
	case !slices.Contains(t.claims.Audience, s.resourceOf(v.Vault)):
		return nil, refuse(codeUnauthorized, "AKV10022: Invalid audience. Expected %s, found: %s.", s.resourceOf(v.Vault), strings.Join(t.claims.Audience, " "))
	case t.claims.Tenant != v.Tenant || t.claims.Issuer != s.issuer(v.Tenant):
		return nil, refuse(codeUnauthorized, "AKV10032: Invalid issuer. Expected %s, found %s.", s.issuer(v.Tenant), t.claims.Issuer)
	}
	p := s.principals[t.claims.AppID]
	if p == nil || p.ObjectID != t.claims.ObjectID {
		return nil, refuse(codeUnauthorized, "AKV10022: the token's principal is not known")
	}
	return p, nil
}

// allow refuses a data action that the caller's list does not have. What a list may
// do in one vault it may do in all.
func (c *call) allow() error {
	permission := c.operation.permission(c.vault)
	if len(c.who.Allow) == 0 || slices.ContainsFunc(c.who.Allow, func(a string) bool { return strings.EqualFold(a, permission) }) {
		return nil
	}
	return refuseAs(codeForbidden, innerRbac, "%s", c.notAuthorized(permission))
}

// notAuthorized are Key Vault's words under Azure RBAC.
func (c *call) notAuthorized(permission string) string {
	caller := "nobody"
	if c.who != nil {
		caller = fmt.Sprintf("appid=%s;oid=%s;iss=%s", c.who.ClientID, c.who.ObjectID, c.s.issuer(c.vault.Tenant))
	}
	return fmt.Sprintf("Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed "+
		"recently, please observe propagation time.\r\nCaller: %s\r\nAction: '%s'\r\nResource: '%s'\r\nAssignment: (not found)\r\nVault: %s;location=localhost\r\n",
		caller, permission, c.kid(c.name, ""), c.vault.Name)
}
