package gcpkms_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyferry/keyferry/providers/gcpkms"
	"github.com/keyferry/keyferry/providers/providertest"
)

// KMS by gRPC, and the token service by HTTP.
func TestTLS(t *testing.T) {
	t.Parallel()
	t.Run("KMS", func(t *testing.T) {
		t.Parallel()
		providertest.RunTLS(t, providertest.TLS{Host: "localhost", Ask: func(t *testing.T, hostPort string, ca []byte) error {
			t.Helper()
			return prepare(t, open(t, base(), func(c *gcpkms.Config) { c.Endpoint, c.CAPEM = "https://"+hostPort, ca }))
		}})
	})
	t.Run("token service", func(t *testing.T) {
		t.Parallel()
		s := newScript(t, failing(codes.Internal, "reached without a token"))
		providertest.RunTLS(t, providertest.TLS{Host: "localhost", Ask: func(t *testing.T, hostPort string, ca []byte) error {
			t.Helper()
			return prepare(t, adapter(t, s, func(c *gcpkms.Config) {
				c.Tokens, c.CredentialsJSON, c.TokenEndpoint, c.CAPEM = nil, text(t, user()), "https://"+hostPort, ca
			}))
		}})
	})
}
