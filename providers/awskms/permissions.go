package awskms

import (
	"encoding/json"
	"fmt"

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
)

// permissions is the least that an importing role needs.
var permissions = []permission{
	{broker.Permission{Action: "kms:CreateKey", For: "prepare"}, onCreate},
	{broker.Permission{Action: "kms:TagResource", For: "prepare: a key is marked as it is made"}, onKeys},
	{broker.Permission{Action: "kms:GetParametersForImport", For: "fetch"}, onKeys},
	{broker.Permission{Action: "kms:ImportKeyMaterial", For: "import"}, onKeys},
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
	{broker.Permission{Action: "kms:DescribeKey", For: "look", Look: true}, onKeys},
	{broker.Permission{Action: "kms:ListResourceTags", For: "look", Look: true}, onKeys},
	{broker.Permission{Action: "kms:GetKeyPolicy", For: "look", Look: true}, onKeys},
	{broker.Permission{Action: "kms:GetPublicKey", For: "prove", Proof: true}, onKeys},
	{broker.Permission{Action: "kms:Sign", For: "prove signing keys", Proof: true}, onKeys},
	{broker.Permission{Action: "kms:Decrypt", For: "prove decryption keys", Proof: true}, onKeys},
	{broker.Permission{Action: "kms:DeriveSharedSecret", For: "prove agreement keys", Proof: true}, onKeys},
	{broker.Permission{Action: "kms:GenerateMac", For: "prove HMAC keys", Proof: true}, onKeys},
}

func neededPermissions() []broker.Permission {
	out := make([]broker.Permission, len(permissions))
	for i, p := range permissions {
		out[i] = p.Permission
	}
	return out
}

// statement and document are IAM's policy grammar.
type statement struct {
	Sid       string                       `json:"Sid"`
	Effect    string                       `json:"Effect"`
	Action    []string                     `json:"Action"`
	Resource  []string                     `json:"Resource"`
	Condition map[string]map[string]string `json:"Condition,omitempty"`
}

type document struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

// LeastPolicy is the IAM policy of a role that imports into the account and region
// of c and does nothing else, as indented JSON. The proofs' statement can be left
// out or given to a role of its own where the key specs need none of it.
func LeastPolicy(c Config) (string, error) {
	c = c.withDefaults()
	keys := fmt.Sprintf("arn:%s:kms:%s:%s:key/*", c.Partition, c.Region, c.Account)
	aliases := fmt.Sprintf("arn:%s:kms:%s:%s:alias/*", c.Partition, c.Region, c.Account)
	region := map[string]string{"aws:RequestedRegion": c.Region}
	policy := document{Version: "2012-10-17", Statement: []statement{
		{
			Sid: "MakeEmptyKeys", Action: actions(onCreate, false), Resource: []string{"*"},
			Condition: map[string]map[string]string{"StringEquals": {"kms:KeyOrigin": "EXTERNAL", "aws:RequestedRegion": c.Region}},
		},
		{Sid: "ImportAndLook", Action: actions(onKeys, false), Resource: []string{keys}},
		{Sid: "ConsumersNames", Action: actions(onKeysAliases, false), Resource: []string{keys, aliases}},
		{Sid: "List", Action: actions(onAll, false), Resource: []string{"*"}, Condition: map[string]map[string]string{"StringEquals": region}},
		{Sid: "Prove", Action: actions(onKeys, true), Resource: []string{keys}},
	}}
	for i := range policy.Statement {
		policy.Statement[i].Effect = "Allow"
	}
	text, err := json.MarshalIndent(policy, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write policy: %w", err)
	}
	return string(text), nil
}

func actions(on resource, proof bool) []string {
	var out []string
	for _, p := range permissions {
		if p.on == on && p.Proof == proof && !p.Later {
			out = append(out, p.Action)
		}
	}
	return out
}
