package azureemu

import "time"

// windowLength is the time that Key Vault counts transactions in (Service limits).
const windowLength = 10 * time.Second

// window is what was taken from a quota in its current ten seconds.
type window struct {
	begun time.Time
	taken float64
}

// take takes weight if the limit allows it.
func (w *window) take(weight, limit float64, now time.Time) bool {
	if passed := now.Sub(w.begun); passed < 0 || passed >= windowLength {
		w.begun, w.taken = now, 0
	}
	if w.taken+weight > limit {
		return false
	}
	w.taken += weight
	return true
}

// Groups of transactions that share a quota.
const (
	groupAll            = "all" // every request to a vault
	groupCreateHSM      = "create hsm"
	groupCreateSoftware = "create software"
	groupCreatePool     = "create pool"
	groupHSM            = "hsm"      // weights are those of RSA-2048
	groupSoftware       = "software" // the same
)

// limitOf is Azure's limit in ten seconds (Azure Key Vault service limits, 2025).
// Whether an import counts as a creation is open: here it does.
func limitOf(group string) float64 {
	return map[string]float64{
		groupAll: 4000, groupCreateHSM: 10, groupCreateSoftware: 20, groupCreatePool: 10, groupHSM: 2000, groupSoftware: 4000,
	}[group]
}

// createGroup is the quota that a new version of a key type is taken from.
func createGroup(v *vault, kty string) string {
	switch {
	case v.Mode == HSM:
		return groupCreatePool
	case inHSM(kty):
		return groupCreateHSM
	default:
		return groupCreateSoftware
	}
}

func cryptoGroup(kty string) string {
	if inHSM(kty) {
		return groupHSM
	}
	return groupSoftware
}

// cryptoWeight is how many RSA-2048 transactions one of this key counts for.
func cryptoWeight(v *version) float64 {
	switch {
	case baseType(v.kty) != ktyRSA:
		return 1
	case v.bits() == 4096:
		return 8
	case v.bits() == 3072:
		return 4
	default:
		return 1
	}
}

// throttle takes a transaction from a quota, if quotas are on. What is refused
// does not count. A Managed HSM does not throttle cryptographic operations.
func (c *call) throttle(group string, weight float64) error {
	settings := c.settings()
	if !settings.Quotas || c.vault.Mode == HSM && group != groupCreatePool {
		return nil
	}
	limit := limitOf(group)
	if other, ok := settings.Limits[group]; ok {
		limit = other
	}
	w := c.vault.windows[group]
	if w == nil {
		w = &window{begun: c.now}
		c.vault.windows[group] = w
	}
	if !w.take(weight, limit, c.now) {
		return refuse(codeThrottled, throttled)
	}
	return nil
}

// maxPoolVersions is how many versions a key of a Managed HSM may have (Managed
// HSM service limits). A vault has no such limit.
const maxPoolVersions = 100

// roomFor refuses a version too many. Azure's code for it is not documented.
func (c *call) roomFor() error {
	if k := c.vault.key(c.name); k != nil && c.vault.Mode == HSM && len(k.versions) >= maxPoolVersions {
		return refuse(codeForbidden, "The key %s has %d versions, which is the limit", c.name, maxPoolVersions)
	}
	return nil
}
