package awsemu

// action is one operation of the API: its name, which is its permission too, and
// its request quota a second for an account and region (Developer Guide, Request
// quotas, 2026). A rate of zero is a shared one, that of the key's kind.
type action struct {
	name string
	rate float64
	run  run
}

// actions are all that the emulator models. Any other is UnknownOperation.
func actions() []action {
	return []action{
		{"CreateKey", 5, on(createKey)},
		{"DescribeKey", 2000, on(describeKey)},
		{"ListKeys", 500, on(listKeys)},
		{"GetKeyLastUsage", 5, on(getKeyLastUsage)},
		{"ReplicateKey", 5, on(replicateKey)},
		{"UpdatePrimaryRegion", 5, on(updatePrimaryRegion)},

		{"GetParametersForImport", 1, on(getParametersForImport)},
		{"ImportKeyMaterial", 15, on(importKeyMaterial)},
		{"DeleteImportedKeyMaterial", 15, on(deleteImportedKeyMaterial)},
		{"RotateKeyOnDemand", 5, on(rotateKeyOnDemand)},
		{"ListKeyRotations", 100, on(listKeyRotations)},

		{"EnableKey", 5, on(enableKey)},
		{"DisableKey", 5, on(disableKey)},
		{"ScheduleKeyDeletion", 15, on(scheduleKeyDeletion)},
		{"CancelKeyDeletion", 5, on(cancelKeyDeletion)},

		{"CreateAlias", 5, on(createAlias)},
		{"UpdateAlias", 5, on(updateAlias)},
		{"DeleteAlias", 15, on(deleteAlias)},
		{"ListAliases", 500, on(listAliases)},

		{"TagResource", 10, on(tagResource)},
		{"UntagResource", 5, on(untagResource)},
		{"ListResourceTags", 2000, on(listResourceTags)},
		{"GetKeyPolicy", 1000, on(getKeyPolicy)},
		{"PutKeyPolicy", 15, on(putKeyPolicy)},

		{"GetPublicKey", 2000, on(getPublicKey)},
		{"Encrypt", 0, on(encrypt)},
		{"Decrypt", 0, on(decrypt)},
		{"GenerateMac", 0, on(generateMac)},
		{"VerifyMac", 0, on(verifyMac)},
		{"Sign", 0, on(sign)},
		{"Verify", 0, on(verify)},
		{"DeriveSharedSecret", 0, on(deriveSharedSecret)},
	}
}

// perform does one action under the server's lock: what is due first, then
// permission, quota, and the action itself.
func (c *call) perform(body []byte) (any, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.now = c.s.clock.Now()
	c.s.store.elapse(c.now)
	a, ok := c.s.actions[c.action]
	if !ok {
		return nil, refuse(codeUnknownOperation, "the emulator does not model the operation %s", c.action)
	}
	if err := c.allow("kms:" + c.action); err != nil {
		return nil, err
	}
	if a.rate > 0 {
		if err := c.throttle(c.action, a.rate); err != nil {
			return nil, err
		}
	}
	out, err := a.run(c, body)
	if err != nil {
		return nil, err
	}
	if k := c.subject; k != nil {
		k.commits[c.action]++
		c.s.store.watch(k, c.now)
		for _, o := range k.related() {
			o.publish(c.lag())
		}
	}
	return out, nil
}
