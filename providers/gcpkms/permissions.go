package gcpkms

import (
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// permissions is the least that an importing account, and one that proves, need
// ("Permissions and roles" of Cloud KMS).
var permissions = []broker.Permission{
	{Action: "cloudkms.keyRings.get", For: "identify", Look: true},
	{Action: "cloudkms.locations.get", For: "identify: whether the location has HSMs", Look: true},
	{Action: "cloudkms.cryptoKeys.create", For: "prepare"},
	{Action: "cloudkms.cryptoKeys.get", For: "look", Look: true},
	{Action: "cloudkms.cryptoKeys.list", For: "look", Look: true},
	{Action: "cloudkms.cryptoKeyVersions.get", For: "look", Look: true},
	{Action: "cloudkms.cryptoKeyVersions.list", For: "look", Look: true},
	{Action: "cloudkms.importJobs.create", For: "fetch"},
	{Action: "cloudkms.importJobs.get", For: "fetch"},
	{Action: "cloudkms.importJobs.useToImport", For: "import"},
	{Action: "cloudkms.cryptoKeyVersions.create", For: "import"},
	{Action: "cloudkms.cryptoKeyVersions.update", For: "activate, withhold: enable and disable"},
	{Action: "cloudkms.cryptoKeys.update", For: "activate: make a version the primary"},
	{Action: "cloudkms.cryptoKeyVersions.destroy", For: "abort"},
	{Action: "cloudkms.cryptoKeyVersions.restore", For: "cancel a deletion", Later: true},
	{Action: "cloudkms.cryptoKeyVersions.viewPublicKey", For: "prove key pairs", Proof: true},
	{Action: "cloudkms.cryptoKeyVersions.useToSign", For: "prove signing and HMAC keys", Proof: true},
	{Action: "cloudkms.cryptoKeyVersions.useToDecrypt", For: "prove decryption and raw encryption keys", Proof: true},
}

// permitting is what impersonation needs, on the account that is impersonated and not
// in the project's role.
const permitting = "iam.serviceAccounts.getAccessToken"

// permissionOf is what each call is refused for, where the refusal does not say.
var permissionOf = map[string]string{
	"GetKeyRing":                    "cloudkms.keyRings.get",
	"GetLocation":                   "cloudkms.locations.get",
	"CreateCryptoKey":               "cloudkms.cryptoKeys.create",
	"GetCryptoKey":                  "cloudkms.cryptoKeys.get",
	"ListCryptoKeys":                "cloudkms.cryptoKeys.list",
	"GetCryptoKeyVersion":           "cloudkms.cryptoKeyVersions.get",
	"ListCryptoKeyVersions":         "cloudkms.cryptoKeyVersions.list",
	"CreateImportJob":               "cloudkms.importJobs.create",
	"GetImportJob":                  "cloudkms.importJobs.get",
	"ImportCryptoKeyVersion":        "cloudkms.cryptoKeyVersions.create",
	"UpdateCryptoKeyVersion":        "cloudkms.cryptoKeyVersions.update",
	"UpdateCryptoKeyPrimaryVersion": "cloudkms.cryptoKeys.update",
	"DestroyCryptoKeyVersion":       "cloudkms.cryptoKeyVersions.destroy",
	"RestoreCryptoKeyVersion":       "cloudkms.cryptoKeyVersions.restore",
	"GetPublicKey":                  "cloudkms.cryptoKeyVersions.viewPublicKey",
	"AsymmetricSign":                "cloudkms.cryptoKeyVersions.useToSign",
	"MacSign":                       "cloudkms.cryptoKeyVersions.useToSign",
	"AsymmetricDecrypt":             "cloudkms.cryptoKeyVersions.useToDecrypt",
	"RawDecrypt":                    "cloudkms.cryptoKeyVersions.useToDecrypt",
}

func (c Config) neededPermissions() []broker.Permission {
	out := slices.Clone(permissions)
	if c.Impersonate != "" || c.ProofImpersonate != "" {
		out = append(out, broker.Permission{Action: permitting, For: "impersonate: on the service account itself"})
	}
	return out
}
