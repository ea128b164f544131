package e2e_test

import (
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// One permission is missing, each in turn: it is named with the command that grants it,
// and the same command goes on once it is there.
func TestDeniedAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	c.Must(t, importAt("gcp", "first", "ec-p384")...)
	const sent = looks + "|CreateCryptoKey|ImportCryptoKeyVersion"
	denied := func(action, permission, asked string) wrong {
		return wrong{
			target: "gcp", spoils: faulty("gcp", faults.Rule{Kind: faults.Deny, Match: faults.Match{Action: action}, Count: -1}), same: true,
			bad: bad{name: action, code: 3, changed: "is at target gcp (", asked: asked, says: []string{"denied", permission, "grant"}},
		}
	}
	c.refusesEach(t, []wrong{
		denied("ImportCryptoKeyVersion", "cloudkms.cryptoKeyVersions.create", sent),
		denied("GetCryptoKeyVersion", "cloudkms.cryptoKeyVersions.get", sent),
		denied("GetPublicKey", "cloudkms.cryptoKeyVersions.viewPublicKey", sent+"|UpdateCryptoKeyVersion"),
		denied("AsymmetricSign", "cloudkms.cryptoKeyVersions.useToSign", sent+"|AsymmetricSign|UpdateCryptoKeyVersion"), // what is not proven is disabled
		denied("UpdateCryptoKeyVersion", "cloudkms.cryptoKeyVersions.update", sent+"|AsymmetricSign|UpdateCryptoKeyVersion"),
	})
}

// The import job may be read and not used: Google says which permission that is.
func TestDeniedToUseJobAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	c.Must(t, importAt("gcp", "first", "ec-p384")...)
	c.refusesEach(t, []wrong{{
		target: "gcp", same: true,
		spoils: func(t *testing.T, c *clouds) {
			t.Helper()
			fatal(t, c.GCP.Admin().Configure(t.Context(), gcpemu.Change{Principals: []gcpemu.Principal{{Email: c.GCP.Email(), Permissions: []string{
				"cloudkms.keyRings.get", "cloudkms.locations.get", "cloudkms.importJobs.get", "cloudkms.cryptoKeys.create", "cloudkms.cryptoKeys.get", "cloudkms.cryptoKeys.list",
				"cloudkms.cryptoKeyVersions.create", "cloudkms.cryptoKeyVersions.list", "cloudkms.cryptoKeyVersions.get",
			}}}}))
		},
		bad: bad{name: "use", code: 3, changed: "is at target gcp (", asked: looks + "|CreateCryptoKey|ImportCryptoKeyVersion", says: []string{"denied", "cloudkms.importJobs.useToImport"}},
	}})
}
