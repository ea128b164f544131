package azureemu

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
)

// nameForm is what key names are made of (Objects, identifiers, and versioning).
var nameForm = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)

// versionForm is a version's id: 32 characters that the service makes.
var versionForm = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)

// newVersionID is one that no other version has.
func newVersionID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	return hex.EncodeToString(id)
}

func checkName(name string) error {
	if !nameForm.MatchString(name) {
		return refuse(codeBadParameter, "The request URI contains an invalid name: %s", name)
	}
	return nil
}

// kid is the identifier of a key, or of a version of it.
func (c *call) kid(name, version string) string {
	id := c.base() + "/keys/" + name
	if version != "" {
		id += "/" + version
	}
	return id
}

// base is the vault's URL.
func (c *call) base() string { return "https://" + c.s.hostOf(c.vault.Vault) }
