package azurekv

// What tests in another package hold: parsers of what comes from outside.
var (
	NewBlob    = newBlob
	RetryAfter = retryAfter
	DEROf      = derOf
)

// ReadChallenge is what the SDK gets to read of a vault's challenge.
func ReadChallenge(tenant, vault, header string) (string, error) {
	return guard{tenant: tenant, vault: vault}.read([]string{header})
}
