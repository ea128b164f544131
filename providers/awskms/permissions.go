package awskms

import (
	"github.com/keyferry/keyferry/broker"
)

// permission is one action with where it applies.
type permission struct {
	broker.Permission
	on resource
}

// resource is what an action's IAM statement names ("Actions, resources, and
// condition keys for AWS KMS", Service Authorization Reference).
type resource string

const (
	onAll         resource = "All"         // no resource of its own
	onCreate      resource = "Create"      // no key is there yet; only without material of AWS's
	onKeys        resource = "Keys"        //
	onKeysAliases resource = "KeysAliases" // the alias and its key
	onReplication resource = "Replication" // primaries, in their region, replicated into this one
	onPrimaries   resource = "Primaries"   // primaries, in their region
	onServiceRole resource = "ServiceRole" // the role by which KMS keeps related keys alike
	onProofRole   resource = "ProofRole"   // the proof role itself
)

// permissions is the least that an importing role and one that proves need. What each
// is for begins with the steps that fail without it.
var permissions = []permission{
	{broker.Permission{Action: "kms:CreateKey", For: "prepare"}, onCreate},
	{broker.Permission{Action: "kms:TagResource", For: "prepare: a key is marked as it is made"}, onKeys},
	{broker.Permission{Action: "kms:ReplicateKey", For: "prepare: a replica is asked of its primary's region"}, onReplication},
	{broker.Permission{Action: "iam:CreateServiceLinkedRole", For: "prepare: the role by which KMS keeps related keys alike"}, onServiceRole},
	{broker.Permission{Action: "kms:GetParametersForImport", For: "fetch"}, onKeys},
	{broker.Permission{Action: "kms:ImportKeyMaterial", For: "import"}, onKeys},
	{broker.Permission{Action: "kms:DescribeKey", For: "import symmetric keys: what the primary of a replica holds"}, onPrimaries},
	{broker.Permission{Action: "kms:CreateAlias", For: "activate"}, onKeysAliases},
	{broker.Permission{Action: "kms:UpdateAlias", For: "activate"}, onKeysAliases},
	{broker.Permission{Action: "kms:DeleteAlias", For: "abort"}, onKeysAliases},
	{broker.Permission{Action: "kms:DisableKey", For: "disable", Later: true}, onKeys},
	{broker.Permission{Action: "kms:EnableKey", For: "enable", Later: true}, onKeys},
	{broker.Permission{Action: "kms:DeleteImportedKeyMaterial", For: "delete the cloud's copy", Later: true}, onKeys},
	{broker.Permission{Action: "kms:ScheduleKeyDeletion", For: "abort"}, onKeys},
	{broker.Permission{Action: "kms:CancelKeyDeletion", For: "cancel a deletion", Later: true}, onKeys},
	{broker.Permission{Action: "kms:ListKeys", For: "look", Look: true}, onAll},
	{broker.Permission{Action: "kms:ListAliases", For: "look", Look: true}, onAll},
	{broker.Permission{Action: "kms:DescribeKey", For: "look, activate, abort, prove symmetric keys", Look: true}, onKeys},
	{broker.Permission{Action: "kms:ListResourceTags", For: "look", Look: true}, onKeys},
	{broker.Permission{Action: "kms:GetKeyPolicy", For: "look", Look: true}, onKeys},
	{broker.Permission{Action: "kms:GetPublicKey", For: "prove signing keys, prove decryption keys, prove agreement keys", Proof: true}, onKeys},
	{broker.Permission{Action: "kms:Sign", For: "prove signing keys", Proof: true}, onKeys},
	{broker.Permission{Action: "kms:Decrypt", For: "prove decryption keys", Proof: true}, onKeys},
	{broker.Permission{Action: "kms:DeriveSharedSecret", For: "prove agreement keys", Proof: true}, onKeys},
	{broker.Permission{Action: "kms:GenerateMac", For: "prove HMAC keys", Proof: true}, onKeys},
	{broker.Permission{Action: "sts:AssumeRole", For: "prove signing keys, prove decryption keys, prove agreement keys, prove HMAC keys"}, onProofRole},
}

// names reports whether there is such a resource at the target.
func (c Config) names(on resource) bool {
	switch on {
	case onReplication, onPrimaries:
		return c.PrimaryRegion != ""
	case onServiceRole:
		return c.Replicated
	case onProofRole:
		return c.ProofRoleARN != "" && c.RoleARN == "" // with an importing role, what assumes both is somebody else
	default:
		return true
	}
}

func (c Config) neededPermissions() []broker.Permission {
	var out []broker.Permission
	for _, p := range permissions {
		if c.names(p.on) {
			out = append(out, p.Permission)
		}
	}
	return out
}
