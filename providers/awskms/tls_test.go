package awskms_test

import (
	"testing"

	"github.com/keyferry/keyferry/providers/awskms"
	"github.com/keyferry/keyferry/providers/providertest"
)

// KMS, and STS, which credentials are asked of.
func TestTLS(t *testing.T) {
	t.Parallel()
	at := func(ask func(*testing.T, *awskms.Provider) error) providertest.TLS {
		return providertest.TLS{Host: "localhost", Ask: func(t *testing.T, hostPort string, ca []byte) error {
			t.Helper()
			return ask(t, adapter(t, "https://"+hostPort, func(c *awskms.Config) { c.CAPEM = ca }))
		}}
	}
	t.Run("KMS", func(t *testing.T) { t.Parallel(); providertest.RunTLS(t, at(prepare)) })
	t.Run("STS", func(t *testing.T) {
		t.Parallel()
		providertest.RunTLS(t, at(func(t *testing.T, p *awskms.Provider) error {
			t.Helper()
			_, err := p.Identify(t.Context())
			return err
		}))
	})
}
