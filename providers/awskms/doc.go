// Package awskms is the adapter for AWS KMS (API version 2014-11-01) on
// aws-sdk-go-v2.
//
// Promises beyond those of broker.Provider:
//
//   - Calls that change something are sent once. Reads are tried three times
//     while they fail for a passing reason; throttling is handed up at once.
//   - The endpoint, its CA and a proxy come from Config alone. AWS_ENDPOINT_URL*,
//     AWS_CA_BUNDLE, HTTPS_PROXY and their twins in SDK files are not read for
//     KMS. Where the default credential chain has to speak to a service, it
//     reaches AWS's own hosts and this machine's metadata services only.
//   - Every ARN that comes back is held against the enrolled partition, account
//     and region; and against the key that was asked for.
//   - CreateKey and ReplicateKey know no idempotency token: a key carries the
//     effect's id as the tag keyferry:effect from its first moment, and Look finds
//     it. A key's first material can be sent again with the same result; further
//     materials of one key are not sent yet.
//   - A replica is made in the target's region and asked of its primary's, and is
//     the only thing that is asked of another region, beside what the primary holds:
//     a symmetric replica takes just that, by its id.
//   - Where there is a proof role, keys are used as that role alone, in Prove; the
//     importing role needs no permission to use one. LeastPolicy and ProofPolicy are
//     what each needs.
//   - After CreateKey, ReplicateKey, ImportKeyMaterial and an alias change the
//     adapter waits until a read shows the change, at most Config.Settle. It is a
//     courtesy: what was answered has happened, so a wait that runs out is no error.
//
// Sources: the KMS API reference and developer guide ("Importing key material",
// "Importing key material into multi-Region keys", "Controlling access to
// multi-Region keys", "Key states of AWS KMS keys", "Request quotas").
package awskms
