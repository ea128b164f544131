package gcpkms

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"cloud.google.com/go/auth"

	"github.com/keyferry/keyferry/broker"
)

// scopes of every token: KMS asks for one of two, and impersonation for the wider.
const (
	scopeKMS = "https://www.googleapis.com/auth/cloudkms"
	scopeAll = "https://www.googleapis.com/auth/cloud-platform"
)

// principal is who calls are made as.
type principal struct {
	tokens       auth.TokenProvider
	name         func(context.Context) (string, error)
	quotaProject string
}

// named is a principal whose name is known.
func named(name string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return name, nil }
}

// token is a bearer token for one call.
func (p principal) token(ctx context.Context) (string, error) {
	got, err := p.tokens.Token(ctx)
	switch {
	case err != nil:
		return "", asTokenError(err)
	case got == nil || got.Value == "":
		return "", &tokenError{kind: broker.Unavailable, err: fmt.Errorf("the token has no value")}
	}
	return got.Value, nil
}

// tokenError is an error of getting a token, before anything was sent to KMS.
type tokenError struct {
	kind       broker.Kind
	permission string
	err        error
}

// Error says what is missing, and why.
func (e *tokenError) Error() string { return "no credentials: " + plain(e.err.Error()) }

// Unwrap gives what happened.
func (e *tokenError) Unwrap() error { return e.err }

// principals are who everything is done as, and who proofs are asked for as.
func principals(c Config, client *http.Client) (all, prover principal, err error) {
	base, err := c.base(client)
	if err != nil {
		return principal{}, principal{}, err
	}
	all, prover = base, base
	if c.Impersonate != "" {
		all = base.as(c.Impersonate, client)
		prover = all
	}
	if c.ProofImpersonate != "" {
		prover = base.as(c.ProofImpersonate, client)
	}
	return all, prover, nil
}

// base is who the credentials themselves are of.
func (c Config) base(client *http.Client) (principal, error) {
	who := principal{tokens: c.Tokens, name: named("unknown: the program brings its tokens")}
	if c.Tokens != nil {
		who.quotaProject = c.QuotaProject
		return who, nil
	}
	text, err := c.credentials()
	if err != nil {
		return principal{}, err
	}
	if text == nil {
		who = fromMetadata(client, c.Now)
	} else if who, err = fromFile(text, c, client); err != nil {
		return principal{}, err
	}
	if c.QuotaProject != "" {
		who.quotaProject = c.QuotaProject
	}
	return who, nil
}

// cached asks for a token only when the one before is about to end. Nothing is asked
// for in the background.
func cached(tokens auth.TokenProvider) auth.TokenProvider {
	return auth.NewCachedTokenProvider(tokens, &auth.CachedTokenProviderOptions{DisableAsyncRefresh: true, ExpireEarly: 2 * time.Minute})
}
