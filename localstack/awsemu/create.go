package awsemu

import (
	"cmp"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/localstack/emu"
)

type createKeyInput struct {
	Policy                         *string `json:"Policy"`
	Description                    string  `json:"Description"`
	KeyUsage                       string  `json:"KeyUsage"`
	KeySpec                        string  `json:"KeySpec"`
	CustomerMasterKeySpec          string  `json:"CustomerMasterKeySpec"`
	Origin                         string  `json:"Origin"`
	BypassPolicyLockoutSafetyCheck bool    `json:"BypassPolicyLockoutSafetyCheck"`
	Tags                           []tag   `json:"Tags"`
	MultiRegion                    bool    `json:"MultiRegion"`
}

type keyMetadataOutput struct {
	KeyMetadata metadata `json:"KeyMetadata"`
}

// serviceRole is what a principal must be allowed for a multi-Region primary: KMS makes
// the role by which it keeps related keys alike, or makes it again, each time
// (Developer Guide, Controlling access to multi-Region keys).
const serviceRole = "iam:CreateServiceLinkedRole"

// createKey makes a key. There is no idempotency: twice makes two.
func createKey(c *call, in createKeyInput) (any, error) {
	spec, usage, err := in.spec(c.lenient())
	if err != nil {
		return nil, err
	}
	origin := in.Origin
	if origin == "" {
		origin = originKMS
	}
	tags, err := c.newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	policy, err := c.keyPolicy(in.Policy, in.BypassPolicyLockoutSafetyCheck)
	if err != nil {
		return nil, err
	}
	id := emu.NewID()
	var relations *family
	if in.MultiRegion {
		if err := c.allow(serviceRole); err != nil {
			return nil, err
		}
		id = "mrk-" + strings.ReplaceAll(id, "-", "")
		relations = &family{primary: c.place.region, members: map[string]*key{}}
	}
	k := &key{
		id: id, arn: c.place.arn("key/" + id), place: c.place, spec: spec, usage: usage, origin: origin,
		description: in.Description, policy: policy, created: c.now, commits: map[string]int{}, family: relations,
	}
	if origin == originKMS {
		if err := c.generate(k); err != nil {
			return nil, err
		}
	}
	if relations != nil {
		relations.members[c.place.region] = k
	}
	k.tags.is = tags
	k.exists.set(true, c.lag())
	k.shown.is = k.metadata()
	c.region().keys[id] = k
	c.subject = k
	return keyMetadataOutput{k.metadata()}, nil
}

// spec checks what cannot be changed later.
func (in createKeyInput) spec(lenient bool) (keySpec, string, error) {
	if in.KeySpec != "" && in.CustomerMasterKeySpec != "" {
		return keySpec{}, "", refuse(codeValidation, "KeySpec and CustomerMasterKeySpec cannot both be given")
	}
	name := in.KeySpec + in.CustomerMasterKeySpec
	if name == "" {
		name = "SYMMETRIC_DEFAULT"
	}
	spec, known := findSpec(name)
	switch {
	case !known && slices.Contains(unmodelledSpecs(), name):
		return spec, "", refuse(codeUnsupported, "KeySpec %s is not supported", name)
	case !known:
		return spec, "", checkEnum("KeySpec", name)
	case spec.class == classEd && in.Origin == originExternal && !lenient:
		return spec, "", refuse(codeUnsupported, "KeySpec %s is not supported with origin %s", name, in.Origin)
	case in.KeyUsage == "" && spec.class != classSymmetric:
		return spec, "", refuse(codeValidation, "You must specify a KeyUsage value for KeySpec %s.", name)
	}
	usage := in.KeyUsage
	if usage == "" {
		usage = useEncrypt
	}
	err := cmp.Or(
		checkLength("Description", len([]rune(in.Description)), 0, 8192),
		in.checkOrigin(),
		checkEnum("KeyUsage", usage, useEncrypt, useSign, useMAC, useAgree),
	)
	if err == nil && !slices.Contains(spec.usages, usage) {
		err = refuse(codeValidation, "KeyUsage %s is not compatible with KeySpec %s", usage, name)
	}
	return spec, usage, err
}

func (in createKeyInput) checkOrigin() error {
	switch in.Origin {
	case "", originKMS, originExternal:
		return nil
	case "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE":
		return refuse(codeUnsupported, "the emulator does not model Origin %s", in.Origin)
	default:
		return checkEnum("Origin", in.Origin)
	}
}
