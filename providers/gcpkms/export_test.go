package gcpkms

import (
	"context"
	"net/http"
	"time"
)

// PrincipalOf is who a provider's credentials are of.
func PrincipalOf(ctx context.Context, p *Provider) string {
	name, err := p.who.name(ctx)
	if err != nil {
		return err.Error()
	}
	return name
}

// Machine is the service account of a machine whose metadata service a client reaches.
func Machine(ctx context.Context, client *http.Client, now func() time.Time) (token string, end time.Time, name string, err error) {
	m := machine{client, now}
	got, err := m.Token(ctx)
	if err != nil {
		return "", time.Time{}, "", err
	}
	name, err = m.email(ctx)
	return got.Value, got.Expiry, name, err
}

// ParsePEM is how public keys are read.
func ParsePEM(text string) ([]byte, error) { return parsePEM(text) }

// Class says whose an endpoint is, and of which kind.
func Class(endpoint, location string) string { return class(endpoint, location) }
