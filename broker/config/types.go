// Package config reads Keyferry's one YAML file. It is strict: an unknown key, a
// bad value, a thing named twice or a file that others may change is an error, and
// all errors of a file come at once, each with line, column and what is allowed.
//
// The types below are the format: the json tag is the key, need:"yes" makes it
// required, match (a regular expression for the whole value) or oneof says what is
// allowed, words says it for people, and doc tells what it is for. for:"aws gcp" names
// the providers at whose targets a key has a meaning; without it, all. The JSON Schema
// in docs/ is made from them.
package config

import (
	"github.com/keyferry/keyferry/broker"
)

// Config is one file: a token, the targets its keys go to, and the policies they
// are under. Material never crosses environments, so an environment is a file.
type Config struct {
	Store    Path     `json:"store" need:"yes" doc:"SQLite file of the inventory; keyferry init makes it"`
	Token    Token    `json:"token" need:"yes" doc:"the partition of the HSM where keys are born"`
	Targets  []Target `json:"targets,omitempty" doc:"where keys go: accounts of providers"`
	Policies []Policy `json:"policies,omitempty" doc:"what keys have in common"`

	// Path of the file, absolute.
	Path string `json:"-"`
}

// Token is a partition of an HSM, reached through a PKCS#11 module.
type Token struct {
	Name        string `json:"name" need:"yes" match:"[a-z0-9][a-z0-9._-]{0,62}" words:"lower-case letters, digits, . _ and -" doc:"the name that messages and enrolments use"`
	Module      Path   `json:"module" need:"yes" doc:"the vendor's PKCS#11 library"`
	Label       string `json:"label,omitempty" match:".{1,32}" words:"1 to 32 characters" doc:"the token's label; label or serial is required, and only one token may match"`
	Serial      string `json:"serial,omitempty" match:".{1,16}" words:"1 to 16 characters" doc:"the token's serial number"`
	Environment string `json:"environment" need:"yes" match:"[a-z0-9][a-z0-9-]{0,31}" words:"lower-case letters, digits and -" doc:"production, test, …: material never crosses it"`
	Pin         Pin    `json:"pin" need:"yes" doc:"where the user PIN comes from: exactly one of these"`
	SOPin       Pin    `json:"so_pin,omitzero" doc:"where the security officer's PIN comes from, for keyferry token trust alone; asked at the terminal if left out"`
	Sessions    int    `json:"sessions,omitempty" match:"[1-9][0-9]{0,3}" words:"1 to 9999" doc:"the most PKCS#11 sessions at a time; 16 if left out, 1 with SoftHSM"`
	Cache       Path   `json:"cache,omitempty" doc:"directory for what probing the token found; the user's cache directory if left out"`
}

// Pin says where the user PIN comes from. It is never in the file itself.
type Pin struct {
	File       Path     `json:"file,omitempty" doc:"a file that nobody but its owner may read"`
	Credential string   `json:"credential,omitempty" match:"[A-Za-z0-9._-]{1,255}" words:"a file name" doc:"the name of a systemd credential (LoadCredential=)"`
	Command    []string `json:"command,omitempty" doc:"a program and its arguments, run without a shell; the PIN is the first line it prints"`
	Prompt     bool     `json:"prompt,omitempty" doc:"ask at the terminal"`
	Env        string   `json:"env,omitempty" match:"[A-Z_][A-Z0-9_]*" words:"the name of a variable" doc:"the name of an environment variable; never in production"`
}

// Policy is what keys under it have in common.
type Policy struct {
	Name               string             `json:"name" need:"yes" match:"[a-z0-9][a-z0-9._-]{0,62}" words:"lower-case letters, digits, . _ and -" doc:"the name that commands use"`
	Spec               broker.KeySpec     `json:"spec,omitempty" doc:"type and size"`
	Purpose            broker.Purpose     `json:"purpose,omitempty" doc:"the spec's usual one if left out"`
	Targets            []string           `json:"targets,omitempty" doc:"names of targets"`
	Retain             broker.Retain      `json:"retain,omitempty" doc:"what happens to the token's copy after the last proof; production must name it"`
	AllowNonconforming bool               `json:"allow_nonconforming,omitempty" doc:"try ways of wrapping that pad or shorten the material"`
	Mechanisms         []broker.Mechanism `json:"mechanisms,omitempty" doc:"the allowed ways of wrapping; all if left out"`
	WrapWithTrusted    bool               `json:"wrap_with_trusted,omitempty" doc:"keys are born so that the token wraps them under nothing but wrapping keys which its security officer marked: keyferry token trust"`
	AllowSoftware      bool               `json:"allow_software,omitempty" doc:"also at targets that keep keys in software"`
	Algorithms         map[string]string  `json:"algorithms,omitempty" doc:"what keys compute, in each provider's own words; its usual one for the spec if left out"`
	ValidFor           Duration           `json:"valid_for,omitempty" doc:"life of the cloud's copy, where a provider knows one; no end if left out"`
	ValidAfter         Duration           `json:"valid_after,omitempty" doc:"the cloud's copy is not used before that has passed; at once if left out"`
	DeletionWindow     Duration           `json:"deletion_window,omitempty" doc:"waiting period before a key that was taken back is deleted; the target's if left out"`
	Activate           *bool              `json:"activate,omitempty" doc:"false: versions stay staged until keyferry activate gives them to consumers"`
	Owner              string             `json:"owner,omitempty" match:"\\S.{0,254}" words:"1 to 255 characters" doc:"who answers for the keys"`
	Tags               map[string]string  `json:"tags,omitempty" doc:"of the keys, at the provider and in the inventory"`
}

// Path is a path; relative ones are relative to the config's directory.
type Path string

// Target by name; ok is false where there is none.
func (c *Config) Target(name string) (t Target, ok bool) {
	for _, t := range c.Targets {
		if t.Name == name {
			return t, true
		}
	}
	return Target{}, false
}

// Production reports whether anything in the config is production.
func (c *Config) Production() bool {
	if c.Token.Environment == broker.Production {
		return true
	}
	for _, t := range c.Targets {
		if t.Environment == broker.Production {
			return true
		}
	}
	return false
}
