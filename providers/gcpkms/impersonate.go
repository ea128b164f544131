package gcpkms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"cloud.google.com/go/auth"

	"github.com/keyferry/keyferry/broker"
)

// as is a service account that this principal impersonates (IAM Service Account
// Credentials API, generateAccessToken).
func (p principal) as(account string, client *http.Client) principal {
	return principal{
		tokens: cached(&impersonation{base: p, account: account, client: client}), name: named(account), quotaProject: p.quotaProject,
	}
}

// impersonation asks for tokens of an hour.
type impersonation struct {
	base    principal
	account string
	client  *http.Client
}

// Token implements auth.TokenProvider.
func (i *impersonation) Token(ctx context.Context) (*auth.Token, error) {
	bearer, err := i.base.token(ctx)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"scope": []string{scopeKMS}, "lifetime": "3600s"})
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	at := "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + url.PathEscape(i.account) + ":generateAccessToken"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("impersonate %s: %w", i.account, err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Content-Type", "application/json")
	var answer struct {
		AccessToken string    `json:"accessToken"`
		ExpireTime  time.Time `json:"expireTime"`
	}
	if err := ask(i.client, req, &answer); err != nil {
		return nil, i.refused(err)
	}
	if answer.AccessToken == "" || answer.ExpireTime.IsZero() {
		return nil, fmt.Errorf("impersonate %s: the answer has no token or no end", i.account)
	}
	return &auth.Token{Value: answer.AccessToken, Type: "Bearer", Expiry: answer.ExpireTime}, nil
}

// refused says which permission a refusal is about: that of impersonating.
func (i *impersonation) refused(err error) error {
	if already, ok := errors.AsType[*tokenError](err); ok {
		return already
	}
	out := &tokenError{kind: broker.Unavailable, err: fmt.Errorf("impersonate %s: %w", i.account, err)}
	switch code := statusOf(err); {
	case code == http.StatusForbidden, code == http.StatusNotFound:
		out.kind, out.permission = broker.Denied, permitting
	case code == http.StatusTooManyRequests:
	case code >= 400 && code < 500:
		out.kind = broker.Denied
	}
	return out
}

// statusError is an answer of another status than 200.
type statusError struct {
	code int
	text string
}

// Error is the status with what was said about it.
func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.code, e.text) }

// statusOf an error of ask; 0 where nothing was answered.
func statusOf(err error) int {
	if s, ok := errors.AsType[*statusError](err); ok {
		return s.code
	}
	return 0
}

// ask sends a request and reads the JSON that answers it.
func ask(client *http.Client, req *http.Request, answer any) error {
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // it was read, or is of no use
	switch {
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	case resp.StatusCode != http.StatusOK:
		return &statusError{resp.StatusCode, plain(string(text))}
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("parse the answer: %w", err)
	}
	return nil
}
