package gcpkms

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/auth"
)

// metadataService is that of Compute Engine, GKE and Cloud Run, by its documented
// address: no name, and no environment variable, leads elsewhere.
const metadataService = "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/"

// metadataPatience bounds asking: elsewhere nobody answers at that address.
const metadataPatience = 5 * time.Second

// machine is the service account of this machine.
type machine struct {
	client *http.Client
	now    func() time.Time
}

// fromMetadata is the principal that this machine runs as.
func fromMetadata(client *http.Client, now func() time.Time) principal {
	m := machine{client, now}
	return principal{tokens: cached(m), name: m.email}
}

// Token implements auth.TokenProvider.
func (m machine) Token(ctx context.Context) (*auth.Token, error) {
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	ctx, cancel := context.WithTimeout(ctx, metadataPatience)
	defer cancel()
	req, err := m.request(ctx, "token?scopes="+url.QueryEscape(scopeAll))
	if err != nil {
		return nil, err
	}
	if err := ask(m.client, req, &answer); err != nil {
		return nil, fmt.Errorf("there is no credentials file, and this machine has no service account: %w", err)
	}
	return &auth.Token{
		Value: answer.AccessToken, Type: "Bearer", Expiry: m.now().Add(time.Duration(answer.ExpiresIn) * time.Second),
	}, nil
}

// email is the address of the account.
func (m machine) email(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataPatience)
	defer cancel()
	req, err := m.request(ctx, "email")
	if err != nil {
		return "", err
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask this machine who it is: %w", err)
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // it was read, or is of no use
	if err != nil {
		return "", fmt.Errorf("ask this machine who it is: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ask this machine who it is: status %d", resp.StatusCode)
	}
	return plain(strings.TrimSpace(string(text))), nil
}

func (machine) request(ctx context.Context, what string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, metadataService+what, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the metadata service: %w", err)
	}
	req.Header.Set("Metadata-Flavor", "Google")
	return req, nil
}
