package azurekv_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/azurekv"
	"github.com/keyferry/keyferry/providers/providertest"
)

// The vault, and the authority that gives tokens.
func TestTLS(t *testing.T) {
	t.Parallel()
	asked := func(t *testing.T, change func(*azurekv.Config)) error {
		t.Helper()
		c := base()
		change(&c)
		_, err := look(t, open(t, c), broker.Query{All: true})
		return err
	}
	t.Run("vault", func(t *testing.T) {
		t.Parallel()
		providertest.RunTLS(t, providertest.TLS{Host: "test.vault.localhost", Ask: func(t *testing.T, hostPort string, ca []byte) error {
			t.Helper()
			return asked(t, func(c *azurekv.Config) { c.VaultURL, c.CAPEM = "https://"+hostPort, ca })
		}})
	})
	t.Run("authority", func(t *testing.T) {
		t.Parallel()
		certificate := emulate(t).known(t).CertificatePEM
		providertest.RunTLS(t, providertest.TLS{Host: "login.localhost", Ask: func(t *testing.T, hostPort string, ca []byte) error {
			t.Helper()
			s := newScript(t, failing(http.StatusInternalServerError, "Reached", "", "without a token"))
			return asked(t, func(c *azurekv.Config) {
				c.VaultURL, c.Authority, c.CAPEM = s.URL, "https://"+hostPort, slices.Concat(s.CA, ca)
				c.Credentials = azurekv.Credentials{Kind: azurekv.Certificate, ClientID: tenant, CertificatePEM: certificate}
			})
		}})
	})
}
