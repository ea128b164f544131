package main

import (
	"cmp"
	"net/url"

	"github.com/keyferry/keyferry/broker/config"
)

// accountOf is whose a target is, in its provider's words: account, project or
// tenant. Every answer must come from it.
func accountOf(t config.Target) string { return cmp.Or(t.Account, t.Project, t.Tenant) }

// whose is accountOf with the word for it.
func whose(t config.Target) string {
	switch {
	case t.Account != "":
		return "account " + t.Account
	case t.Project != "":
		return "project " + t.Project
	default:
		return "tenant " + t.Tenant
	}
}

// placeOf is where in it keys go: region, location and ring, or the host of a vault.
func placeOf(t config.Target) string {
	switch {
	case t.Region != "":
		return t.Region
	case t.Ring != "":
		return t.Location + "/" + t.Ring
	}
	u, err := url.Parse(t.Vault)
	if err != nil {
		return t.Vault
	}
	return u.Host
}

// endpointOf is where it is spoken to, as far as the config says.
func endpointOf(t config.Target) string {
	if t.Vault != "" {
		return t.Vault
	}
	return t.Endpoint
}

// keyNameOf is the name that keys, or their consumers, get there; "" is the
// provider's usual one.
func keyNameOf(t config.Target) string {
	if t.KeyName != "" {
		return t.KeyName
	}
	return t.Consumer
}
