package azureemu

// getKey answers a version, or the latest. Whether that of a disabled one is
// refused, as a secret's is, Azure does not say of keys.
func getKey(c *call) (any, error) {
	k, v, err := c.findVersion()
	if err != nil {
		return nil, err
	}
	if !v.enabled && c.settings().RefuseDisabled {
		return nil, refuseAs(codeForbidden, innerDisabled, "Operation get is not allowed on a disabled key.")
	}
	return c.bundle(k, v), nil
}
