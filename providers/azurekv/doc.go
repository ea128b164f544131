// Package azurekv is the adapter for keys in Azure Key Vault (Premium) and Azure
// Managed HSM, over the SDK's azkeys client. One target is one vault.
//
// Promises beyond those of broker.Provider:
//
//   - Every call is sent once: the SDK's retries are off. An import is not
//     idempotent at Azure, and the SDK would repeat it after a 5xx.
//   - The SDK's verification of the challenge stays on, and reads only what was
//     checked: a vault that names another tenant, or asks for tokens for anything but
//     its own domain, is Tampered before any token is asked for. Tokens go to the
//     vault alone, whatever a list's next page or a redirect says.
//   - Vault, authority, CA and proxy come from Config alone; a managed identity's
//     tokens from this machine (loopback or link-local), without a proxy, and never from
//     Service Fabric, whose certificate only the environment names. Names below
//     .localhost are dialled on loopback (RFC 6761 §6.3); nothing else is special
//     about an emulator.
//   - A KEK (Azure's word for its wrapping key) is made by WrappingKey, or fetched by
//     the id that the broker has on record; never looked for by name or tag.
//   - A version carries the effect's id in a tag that its import sets.
//   - Nothing is ever rotated by the service, since that would make material of its
//     own, and nothing purged.
//
// Sources: Microsoft's pages "BYOK specification", "About keys", "Soft-delete
// overview", "REST API error codes", "Throttling guidance", "Authentication, requests
// and responses", and the API's TypeSpec (2025-07-01). Not verified against the
// service: the answer to wrapped material that does not unwrap (any 400 is Rejected);
// to what does not decrypt (any 400 is Differs); whether a disabled key can be got
// (where not, its list shows it); the inner codes KeyDisabled, KeyExpired and
// KeyNotYetValid; whether a KEK outside nbf and exp, or disabled, is refused: this
// adapter refuses it itself.
package azurekv
