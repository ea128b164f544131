// Package azureemu is a strict emulator of the keys of Azure Key Vault and of
// Azure Managed HSM, with as much of Microsoft Entra as reaching them needs: TLS
// under a CA made at start, all vaults on one port told apart by the host name,
// the 401 challenge of the real service, tokens for a certificate, a federated
// assertion or a secret.
//
// It unwraps the key transfer blobs it is given, keeps the rules that Microsoft's
// documentation and API specification state, and refuses what it does not model
// instead of ignoring it. Where Azure does not say, it is strict unless
// [Settings].Lenient. Its clock can be moved and its calls be broken through the
// admin port (package faults).
//
// Vaults are NAME.vault.localhost and pools NAME.managedhsm.localhost, so that an
// SDK's verification of the challenge stays on: names below .localhost are
// loopback (RFC 6761 §6.3), and clients dial 127.0.0.1.
//
// It shares no code with the product. Material it is given stays in its memory
// and ends with it: it is for tests only.
package azureemu
