package azurekv

import "github.com/keyferry/keyferry/broker"

// quotas in force, per vault: the service limits that an import meets ("Key Vault
// service limits", "Managed HSM service limits"), as calls a second. A vault counts for
// ten seconds. Whether an import is a creation there is open: it counts as one here. Of
// what uses a key, the limit is that of the largest RSA keys.
func (c Config) quotas() []broker.Quota {
	const window = 10
	quota := func(name string, perWindow int, calls ...string) broker.Quota {
		return broker.Quota{Name: name, Calls: calls, PerSecond: float64(perWindow) / window, Burst: perWindow}
	}
	others := []string{"GetKey", "ListKeys", "ListKeyVersions", "GetDeletedKey", "ListDeletedKeys", "UpdateKey"}
	var own []broker.Quota
	switch {
	case c.Kind == ManagedHSM:
		own = []broker.Quota{
			{Name: "create", Calls: []string{"CreateKey", "ImportKey"}, PerSecond: 1, Burst: 1},
			{Name: "delete", Calls: []string{"DeleteKey", "RecoverDeletedKey"}, PerSecond: 10, Burst: 10},
			{Name: "other", Calls: others, PerSecond: 1100, Burst: 1100},
			{Name: "cryptographic", Calls: []string{"Sign", "Decrypt"}, PerSecond: 56, Burst: 56},
		}
	case c.Protection == Software: // and wrapping keys in an HSM
		own = []broker.Quota{
			quota("create", 10, "CreateKey"),
			quota("create-software", 20, "ImportKey"),
			quota("other", 2000, append(others, "DeleteKey", "RecoverDeletedKey")...),
			quota("cryptographic-software", 500, "Sign", "Decrypt"),
		}
	default:
		own = []broker.Quota{
			quota("create", 10, "CreateKey", "ImportKey"),
			quota("other", 2000, append(others, "DeleteKey", "RecoverDeletedKey")...),
			quota("cryptographic", 250, "Sign", "Decrypt"),
		}
	}
	return broker.Quotas(own, c.Quotas)
}
