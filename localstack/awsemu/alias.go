package awsemu

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// maxAliases is how many aliases may lead to one key (resource quota, 2026).
const maxAliases = 50

type aliasInput struct {
	AliasName   string `json:"AliasName"`
	TargetKeyID string `json:"TargetKeyId"`
}

func checkAlias(name string) error {
	err := cmp.Or(checkLength("AliasName", len(name), 1, 256), checkPattern("AliasName", name, `^[a-zA-Z0-9:/_-]+$`))
	switch {
	case err != nil:
		return err
	case !strings.HasPrefix(name, "alias/"), name == "alias/", strings.HasPrefix(name, "alias/aws/"):
		return refuse(codeInvalidAlias, "%s is not a valid alias: it must begin with alias/ and not with alias/aws/", name)
	}
	return nil
}

func createAlias(c *call, in aliasInput) (any, error) {
	if err := checkAlias(in.AliasName); err != nil {
		return nil, err
	}
	k, err := c.changeable(in.TargetKeyID)
	if err != nil {
		return nil, err
	}
	r := c.region()
	if r.aliases[in.AliasName] != nil {
		return nil, refuse(codeExists, "An alias with the name %s already exists", c.place.arn(in.AliasName))
	}
	if len(r.aliasesOf(k.id)) >= maxAliases {
		return nil, refuse(codeLimit, "A key can have at most %d aliases", maxAliases)
	}
	a := &alias{name: in.AliasName, created: c.now, updated: c.now}
	a.target.set(k.id, c.lag())
	r.aliases[in.AliasName] = a
	return none{}, nil
}

// updateAlias moves an alias to a key of the same kind and usage.
func updateAlias(c *call, in aliasInput) (any, error) {
	if err := checkAlias(in.AliasName); err != nil {
		return nil, err
	}
	k, err := c.changeable(in.TargetKeyID)
	if err != nil {
		return nil, err
	}
	r := c.region()
	a := r.aliases[in.AliasName]
	if a == nil {
		return nil, refuse(codeNotFound, "Alias %s is not found.", c.place.arn(in.AliasName))
	}
	before := r.keys[a.target.is]
	if before != nil && (before.usage != k.usage || before.spec.kind() != k.spec.kind()) {
		return nil, refuse(codeValidation, "The new target of %s is not of the type and usage of the one before", in.AliasName)
	}
	if before != k && len(r.aliasesOf(k.id)) >= maxAliases {
		return nil, refuse(codeLimit, "A key can have at most %d aliases", maxAliases)
	}
	a.target.set(k.id, c.lag())
	a.updated = c.now
	return none{}, nil
}

// kind is what keys of one alias have in common.
func (s keySpec) kind() string {
	switch {
	case s.asymmetric():
		return "asymmetric"
	case s.class == classMAC:
		return "HMAC"
	default:
		return "symmetric"
	}
}

type deleteAliasInput struct {
	AliasName string `json:"AliasName"`
}

func deleteAlias(c *call, in deleteAliasInput) (any, error) {
	if err := checkAlias(in.AliasName); err != nil {
		return nil, err
	}
	r := c.region()
	a := r.aliases[in.AliasName]
	if a == nil {
		return nil, refuse(codeNotFound, "Alias %s is not found.", c.place.arn(in.AliasName))
	}
	c.subject = r.keys[a.target.is]
	delete(r.aliases, in.AliasName)
	return none{}, nil
}

type listAliasesInput struct {
	KeyID  *string `json:"KeyId"`
	Limit  *int    `json:"Limit"`
	Marker *string `json:"Marker"`
}

type aliasListEntry struct {
	AliasName       string `json:"AliasName"`
	AliasArn        string `json:"AliasArn"`
	TargetKeyID     string `json:"TargetKeyId"`
	CreationDate    *epoch `json:"CreationDate"`
	LastUpdatedDate *epoch `json:"LastUpdatedDate"`
}

type listAliasesOutput struct {
	Aliases []aliasListEntry `json:"Aliases"`
	pageOutput
}

func listAliases(c *call, in listAliasesInput) (any, error) {
	only := ""
	if in.KeyID != nil {
		k, err := c.key(*in.KeyID)
		if err != nil {
			return nil, err
		}
		only = k.id
	}
	seen := map[string]string{}
	for name, a := range c.region().aliases {
		if target := a.target.see(c.now); target != "" && (only == "" || only == target) {
			seen[name] = target
		}
	}
	names, end, err := c.page(slices.Sorted(maps.Keys(seen)), in.Limit, in.Marker, limits{50, 100})
	if err != nil {
		return nil, err
	}
	out := listAliasesOutput{Aliases: []aliasListEntry{}, pageOutput: end}
	for _, name := range names {
		a := c.region().aliases[name]
		out.Aliases = append(out.Aliases, aliasListEntry{
			AliasName: name, AliasArn: c.place.arn(name), TargetKeyID: seen[name],
			CreationDate: toEpoch(a.created), LastUpdatedDate: toEpoch(a.updated),
		})
	}
	return out, nil
}
