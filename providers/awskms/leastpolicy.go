package awskms

import (
	"encoding/json"
	"fmt"
)

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
// of c and does nothing else, as indented JSON. Where c has a proof role, this one
// cannot use a key: ProofPolicy is that role's.
func LeastPolicy(c Config) (string, error) {
	c = c.withDefaults()
	statements := []statement{
		c.making(),
		c.allowing("ImportAndLook", onKeys, false, c.keys()),
		c.allowing("ConsumersNames", onKeysAliases, false, c.keys(), c.arn("kms", c.Region, "alias/*")),
		equals(c.allowing("List", onAll, false, "*"), "aws:RequestedRegion", c.Region),
		equals(c.allowing("Replicate", onReplication, false, c.arn("kms", c.PrimaryRegion, "key/"+multiRegionPrefix+"*")), "kms:ReplicaRegion", c.Region),
		c.allowing("LookAtPrimaries", onPrimaries, false, c.arn("kms", c.PrimaryRegion, "key/"+multiRegionPrefix+"*")),
		equals(c.allowing("KeepRelatedKeysAlike", onServiceRole, false, c.arn("iam", "", serviceRole)), "iam:AWSServiceName", "mrk.kms.amazonaws.com"),
		c.allowing("BecomeTheProofRole", onProofRole, false, c.ProofRoleARN),
	}
	if c.ProofRoleARN == "" {
		statements = append(statements, c.allowing("Prove", onKeys, true, c.keys()))
	}
	return written(statements)
}

// serviceRole is the role that KMS makes for itself with an account's first
// multi-Region key (Developer Guide, "Authorizing AWS KMS to synchronize multi-Region keys").
const serviceRole = "role/aws-service-role/mrk.kms.amazonaws.com/AWSServiceRoleForKeyManagementServiceMultiRegionKeys"

// ProofPolicy is the IAM policy of the proof role: it uses keys of the account and
// region of c, and changes nothing.
func ProofPolicy(c Config) (string, error) {
	c = c.withDefaults()
	return written([]statement{c.allowing("Prove", onKeys, true, c.keys())})
}

// making allows empty keys. That of a replica is made by KMS, which does not say
// whether it tells the origin there; wherever it is told, it must be EXTERNAL.
func (c Config) making() statement {
	s := equals(c.allowing("MakeEmptyKeys", onCreate, false, "*"), "aws:RequestedRegion", c.Region)
	if c.PrimaryRegion == "" {
		return equals(s, "kms:KeyOrigin", "EXTERNAL")
	}
	s.Condition["StringEqualsIfExists"] = map[string]string{"kms:KeyOrigin": "EXTERNAL"}
	return s
}

func (c Config) keys() string { return c.arn("kms", c.Region, "key/*") }

func (c Config) arn(service, region, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", c.Partition, service, region, c.Account, resource)
}

// allowing is a statement for what a kind of resource needs; empty where there is no
// such resource at the target.
func (c Config) allowing(sid string, on resource, proof bool, resources ...string) statement {
	s := statement{Sid: sid, Effect: "Allow", Resource: resources}
	for _, p := range permissions {
		if p.on == on && p.Proof == proof && !p.Later && c.names(on) {
			s.Action = append(s.Action, p.Action)
		}
	}
	return s
}

// equals adds a condition.
func equals(s statement, key, value string) statement {
	if s.Condition == nil {
		s.Condition = map[string]map[string]string{"StringEquals": {}}
	}
	s.Condition["StringEquals"][key] = value
	return s
}

// written leaves out the statements that allow nothing.
func written(statements []statement) (string, error) {
	policy := document{Version: "2012-10-17"}
	for _, s := range statements {
		if len(s.Action) > 0 {
			policy.Statement = append(policy.Statement, s)
		}
	}
	text, err := json.MarshalIndent(policy, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write policy: %w", err)
	}
	return string(text), nil
}
