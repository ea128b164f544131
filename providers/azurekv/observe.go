package azurekv

import (
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
)

// seen is what the vault shows of a version.
type seen struct {
	key        *azkeys.JSONWebKey
	attributes *azkeys.KeyAttributes
	tags       map[string]*string
	receipt    broker.Receipt
}

// observe says it in common words.
func (p *Provider) observe(s seen) (broker.Observation, error) {
	if s.key == nil || s.key.KID == nil || s.attributes == nil {
		return broker.Observation{}, incomplete(call{verb: "look at", object: p.c.VaultURL}, "has no id or attributes")
	}
	v, err := p.parse(string(*s.key.KID))
	if err != nil {
		return broker.Observation{}, err
	}
	if v.ID == "" {
		return broker.Observation{}, incomplete(call{verb: "look at", object: v.Key.ID}, "names no version")
	}
	o := p.observeEntry(v, s.attributes, s.tags)
	o.Spec = specOf(s.key, o.Spec)
	o.Purpose = purposeOf(o.Spec, operationsOf(s.key))
	o.Receipt, o.SeenAt = s.receipt, endpoint.SeenAt(s.receipt, p.c.Now())
	return o, nil
}

// observeEntry says what an entry of a list shows: neither key type nor operations. A
// version that we imported has its spec in a tag.
func (p *Provider) observeEntry(v broker.VersionRef, a *azkeys.KeyAttributes, tags map[string]*string) broker.Observation {
	all, customers := values(tags)
	o := broker.Observation{
		Version: v, Effect: all[tagEffect], Name: all[tagKey], KeyID: all[tagKeyID], Origin: originOf(all), HasMaterial: true,
		PolicyMatch: true, Tags: customers, Consumer: v.Key.ID, SeenAt: p.c.Now().UTC(),
	}
	if spec, err := broker.ParseKeySpec(all[tagSpec]); err == nil {
		o.Spec = spec
	}
	if v.Key.ID == p.keyID(kekName) {
		o.WrappingKey = versionID(v)
	}
	if a != nil {
		p.addTimes(&o, a)
	}
	return o
}

// originOf a version by its marks: Azure does not say who made its material. What we
// did not import was not ours; a mark nominates, and does not prove.
func originOf(tags map[string]string) broker.Origin {
	if tags[tagKeyID] == "" {
		return broker.OriginProvider
	}
	return broker.OriginExternal
}

// addTimes adds what a version's attributes say: whether it may be used, and when.
func (p *Provider) addTimes(o *broker.Observation, a *azkeys.KeyAttributes) {
	o.State, o.Raw = broker.RemoteEnabled, "enabled"
	if a.Enabled != nil && !*a.Enabled {
		o.State, o.Raw = broker.RemoteDisabled, "disabled"
	}
	o.CreatedAt, o.ValidFrom, o.ValidTo = utc(a.Created), utc(a.NotBefore), utc(a.Expires)
	switch now := p.c.Now(); {
	case !o.ValidTo.IsZero() && !o.ValidTo.After(now):
		o.Raw += ", past its end"
	case o.ValidFrom.After(now):
		o.Raw += ", before its time"
	}
}

// scheduled is a deleted key.
func scheduled(o broker.Observation, purge *time.Time) broker.Observation {
	o.State, o.Raw, o.Consumer, o.DeletionAt = broker.RemoteScheduled, "deleted, and its name is not free", "", utc(purge)
	return o
}
