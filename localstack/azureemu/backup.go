package azureemu

import "maps"

// backup is a copy of a key with all its versions.
type backup struct {
	tenant string
	mode   Mode
	key    key
}

// maxBackup is how many versions a vault can back up (Service limits).
const maxBackup = 500

type backupOut struct {
	Value string `json:"value"`
}

type restoreInput struct {
	Value string `json:"value"`
}

// backupKey answers a name for a copy that the emulator keeps: Azure's is the copy
// itself, encrypted.
func backupKey(c *call) (any, error) {
	k, err := c.find()
	if err != nil {
		return nil, err
	}
	if len(k.versions) > maxBackup {
		return nil, refuse(codeBadParameter, "A key with more than %d versions cannot be backed up", maxBackup)
	}
	name := base64url(randomBytes(48))
	c.s.backups[name] = backup{c.vault.Tenant, c.vault.Mode, k.clone()}
	return backupOut{name}, nil
}

// clone copies all that can change.
func (k *key) clone() key {
	out := *k
	out.versions, out.commits = nil, map[string]int{}
	for _, v := range k.versions {
		copied := *v
		copied.tags = maps.Clone(v.tags)
		out.versions = append(out.versions, &copied)
	}
	return out
}

// restoreKey brings a backup into a vault where its name is free: any vault of the
// tenant that can hold such a key (Backup: same subscription and geography).
func restoreKey(c *call, in restoreInput) (any, error) {
	b, ok := c.s.backups[in.Value]
	if !ok || b.tenant != c.vault.Tenant || (b.mode == HSM) != (c.vault.Mode == HSM) {
		return nil, refuse(codeBadParameter, "The backup blob is not one that can be restored here")
	}
	c.name = b.key.name
	for _, v := range b.key.versions {
		if err := c.checkType(v.kty); err != nil {
			return nil, err
		}
	}
	if err := c.free(); err != nil {
		return nil, err
	}
	if c.vault.key(c.name) != nil {
		return nil, refuse(codeConflict, "The key %s exists already", c.name)
	}
	k := b.key.clone()
	c.vault.put(&k)
	c.subject, c.used = &k, k.latest()
	return c.bundle(&k, k.latest()), nil
}
