package azureemu

import "time"

// deletionOut is what a deleted key has beside a key (DeletedKeyBundle).
type deletionOut struct {
	RecoveryID         string `json:"recoveryId"`
	DeletedDate        int64  `json:"deletedDate"`
	ScheduledPurgeDate int64  `json:"scheduledPurgeDate"`
}

type deletedBundle struct {
	keyBundle
	deletionOut
}

type deletedItem struct {
	keyItem
	deletionOut
}

func (c *call) deletion(k *key) deletionOut {
	return deletionOut{c.base() + "/deletedkeys/" + k.name, k.deletedAt.Unix(), k.purgeAt.Unix()}
}

func (c *call) deletedBundle(k *key) deletedBundle {
	return deletedBundle{c.bundle(k, k.latest()), c.deletion(k)}
}

// deleteKey soft-deletes a key with all its versions. The key is gone at once; that
// it can be recovered takes as long as the settings say.
func deleteKey(c *call) (any, error) {
	k, err := c.find()
	if err != nil {
		return nil, err
	}
	k.deletedAt = c.now
	k.purgeAt = c.now.Add(time.Duration(c.vault.retention()) * 24 * time.Hour)
	k.enter(deleting, c.now.Add(c.settings().DeleteDelay.Duration()), c.now)
	return c.deletedBundle(k), nil
}

// enter begins a stage that ends at a time, which may be now.
func (k *key) enter(s stage, due, now time.Time) {
	k.stage, k.due = s, due
	k.elapse(now)
}

// findDeleted is the soft-deleted key that the request names.
func (c *call) findDeleted() (*key, error) {
	k := c.vault.key(c.name)
	if k == nil || k.stage != deleted {
		return nil, c.notFound()
	}
	c.subject, c.used = k, k.latest()
	return k, nil
}

func getDeletedKey(c *call) (any, error) {
	k, err := c.findDeleted()
	if err != nil {
		return nil, err
	}
	return c.deletedBundle(k), nil
}

// recoverDeletedKey brings a key back with all its versions. While it is deleted or
// recovered still, that is a conflict.
func recoverDeletedKey(c *call) (any, error) {
	if k := c.vault.key(c.name); k != nil && (k.stage == deleting || k.stage == recovering) {
		return nil, refuse(codeConflict, "There was a conflict while recovering the soft-deleted key '%s'. Please make sure to perform operations in a "+
			"sequential manner.", c.kid(k.name, ""))
	}
	k, err := c.findDeleted()
	if err != nil {
		return nil, err
	}
	k.enter(recovering, c.now.Add(c.settings().RecoverDelay.Duration()), c.now)
	return c.bundle(k, k.latest()), nil
}

// purgeDeletedKey ends a soft-deleted key for good.
func purgeDeletedKey(c *call) (any, error) {
	k, err := c.findDeleted()
	if err != nil {
		return nil, err
	}
	if c.vault.PurgeProtection {
		return nil, refuse(codeForbidden, "Operation \"purge\" is not enabled for this vault.")
	}
	k.stage, k.due = purging, c.now.Add(c.settings().PurgeDelay.Duration())
	c.vault.elapse(c.now)
	return none{}, nil
}
