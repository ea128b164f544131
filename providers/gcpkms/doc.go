// Package gcpkms is the adapter for Google Cloud KMS (google.cloud.kms.v1) over gRPC.
// One target is one key ring, at one protection level.
//
// Promises beyond those of broker.Provider:
//
//   - Every call is sent once, reads too: it speaks through the stubs of
//     cloud.google.com/go/kms, below Google's client, which repeats CreateImportJob
//     and every read by itself. gRPC's own retries and service configs are off.
//   - Endpoint, token endpoint, CA and proxy come from Config alone. GOOGLE_API_*,
//     HTTPS_PROXY, GCE_METADATA_HOST and universe domains of the environment are not
//     read. Credentials found there (application default) do count; what they name
//     as a token service must be Google's, or the configured one.
//   - Every resource name that comes back is held against project, location and ring,
//     and against what was asked for. Checksums (CRC32C) are sent and verified
//     wherever the API has them.
//   - A key is named by us and marked with labels in the call that makes it, so
//     Prepare can be called again. Versions carry no mark: Look lists them with the
//     import job that they came under.
//   - Keys take imported versions only, and have none to begin with.
//   - One import job serves all imports of a ring, level and method for two days. Its
//     id is derived from all of these, so that every process finds the same one.
//     Making one twice is harmless, so WrappingKey answers Unavailable, and not
//     Unclear, where the answer to that was lost.
//   - Proofs can be asked for as another principal than everything else, so that who
//     imports need not be allowed to use keys.
//
// What an import was accepted for may still fail: Look says RemoteImporting until
// Google has decided, and RemoteFailed with Google's reason. Google offers nothing to
// compare a key of purpose ENCRYPT_DECRYPT by: its proof is "accepted".
//
// Sources: the comments of google/cloud/kms/v1 (v1.36.1) and Google's pages "Key
// import", "Formatting keys for import", "Key version states", "Permissions and
// roles", "Labeling keys". Not verified against the service: whether 24 hours and 120
// days bound destroy_scheduled_duration for import-only keys; which bad material is
// refused at once; the code for an import job that has ended.
package gcpkms
