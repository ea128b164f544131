package localstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// health is what LocalStack says of itself.
type health struct {
	Services map[string]string `json:"services"`
	Version  string            `json:"version"`
}

// ask returns the version of the LocalStack at endpoint, or an error if it is not
// one that answers for KMS within that time.
func ask(ctx context.Context, within time.Duration, endpoint string) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/_localstack/health", nil) //nolint:gosec // a person names the endpoint
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is on loopback
	resp, err := client.Do(req)                                                //nolint:gosec // the same
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var h health
	if err := json.NewDecoder(resp.Body).Decode(&h); err != nil {
		return "", fmt.Errorf("read its health: %w", err)
	}
	switch h.Services["kms"] {
	case "available", "running":
		return h.Version, nil
	case "":
		return "", errors.New("it is not LocalStack")
	default:
		return "", fmt.Errorf("its KMS is %s", h.Services["kms"])
	}
}
