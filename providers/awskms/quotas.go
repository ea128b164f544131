package awskms

import "github.com/keyferry/keyferry/broker"

// quotas in force, per account and region: AWS's own ("Request quotas", 2026), or as
// the config has them. AWS names no burst; one second's worth is the most that a bucket
// of a second can hold.
func (c Config) quotas() []broker.Quota {
	quota := func(name string, perSecond float64, more ...string) broker.Quota {
		return broker.Quota{Name: name, Calls: append([]string{name}, more...), PerSecond: perSecond, Burst: max(1, int(perSecond))}
	}
	keys := quota("CreateKey", 5, "ReplicateKey")
	keys.Weights = map[string]int{"ReplicateKey": 2} // in the replica's region
	// Sign and Decrypt are 1,000 of each kind of pair, and more of secrets, which no
	// proof uses them for.
	crypto := broker.Quota{Name: "cryptographic", Calls: []string{"Sign", "Decrypt", "DeriveSharedSecret", "GenerateMac"}, PerSecond: 1000, Burst: 1000}
	return broker.Quotas([]broker.Quota{
		quota("GetParametersForImport", 1),
		keys,
		quota("ReplicateKey", 5), // in the primary's region
		quota("ImportKeyMaterial", 15),
		quota("DeleteImportedKeyMaterial", 15),
		quota("CreateAlias", 5),
		quota("UpdateAlias", 5),
		quota("DeleteAlias", 15),
		quota("EnableKey", 5),
		quota("DisableKey", 5),
		quota("ScheduleKeyDeletion", 15),
		quota("CancelKeyDeletion", 5),
		quota("ListKeys", 500),
		quota("ListAliases", 500),
		quota("GetKeyPolicy", 1000),
		quota("DescribeKey", 2000),
		quota("GetPublicKey", 2000),
		quota("ListResourceTags", 2000),
		crypto,
	}, c.Quotas)
}

// paces are what the calls of a client wait for: one that speaks to this region, and
// one that speaks to that of primary keys. ReplicateKey is counted in both.
func (c Config) paces() (here, primary paced) {
	var there, both []broker.Quota
	for _, q := range c.quotas() {
		if q.Weights["ReplicateKey"] > 0 {
			both = append(both, q)
			continue
		}
		there = append(there, q)
	}
	return paced{c.Pace.Pacer(c.quotas())}, paced{c.PrimaryPace.Pacer(there), c.Pace.Pacer(both)}
}
