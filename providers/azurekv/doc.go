// Package azurekv is the adapter for keys in Azure Key Vault (Premium) and Azure
// Managed HSM, over the SDK's azkeys client. One target is one vault.
//
// Promises beyond those of broker.Provider:
//
//   - Every call is sent once: the SDK's retries are off. An import is not
//     idempotent at Azure, and the SDK would repeat it after a 5xx.
//   - The SDK's verification of the challenge stays on, and the tenant is pinned: a
//     vault that names another one is Tampered before any token is asked for.
//   - Vault, authority, CA and proxy come from Config alone. Names below .localhost are
//     dialled on loopback (RFC 6761 §6.3); nothing else is special about an emulator.
//   - A KEK (Azure's word for its wrapping key) is made by WrappingKey, or fetched by
//     the id that the broker has on record; never looked for by name or tag.
//   - A version carries the effect's id in a tag that its import sets.
//   - Nothing is ever rotated by the service: that would make material of its own.
//
// Sources: Microsoft's pages "BYOK specification", "About keys", "Soft-delete
// overview", "REST API error codes", "Throttling guidance", and the API's TypeSpec
// (2025-07-01). Not verified against the service: the answer to wrapped material that
// does not unwrap; whether a disabled key can be got; whether a KEK outside nbf and
// exp, or disabled, is refused: this adapter refuses it itself.
package azurekv
