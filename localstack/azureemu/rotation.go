package azureemu

import (
	"cmp"
	"maps"
	"strings"
)

// rotationPolicy is when a vault would make new versions by itself. The emulator
// keeps it, and follows its expiryTime when it is told to rotate.
type rotationPolicy struct {
	ID              string           `json:"id,omitempty"`
	LifetimeActions []lifetimeAction `json:"lifetimeActions"`
	Attributes      policyAttributes `json:"attributes"`
}

type lifetimeAction struct {
	Trigger struct {
		TimeAfterCreate  string `json:"timeAfterCreate,omitempty"`
		TimeBeforeExpiry string `json:"timeBeforeExpiry,omitempty"`
	} `json:"trigger"`
	Action struct {
		Type string `json:"type"`
	} `json:"action"`
}

type policyAttributes struct {
	ExpiryTime string `json:"expiryTime,omitempty"`
	Created    int64  `json:"created,omitempty"`
	Updated    int64  `json:"updated,omitempty"`
}

// rotatable finds a key of a vault: a Managed HSM does not rotate keys here.
func (c *call) rotatable() (*key, error) {
	if c.vault.Mode == HSM {
		return nil, refuse(codeUnsupported, "the emulator does not model rotation in a Managed HSM")
	}
	return c.find()
}

// rotateKey makes a new version like the latest, of the service's own material.
func rotateKey(c *call) (any, error) {
	k, err := c.rotatable()
	if err != nil {
		return nil, err
	}
	last := k.latest()
	if err := cmp.Or(c.free(), c.throttle(createGroup(c.vault, last.kty), 1)); err != nil {
		return nil, err
	}
	v := &version{kty: last.kty, ops: last.ops, enabled: true, tags: maps.Clone(last.tags)}
	if k.policy != nil && k.policy.Attributes.ExpiryTime != "" {
		d, _ := parseDuration(k.policy.Attributes.ExpiryTime) // it was checked
		v.exp = new(d.after(c.now).Unix())
	}
	size := last.bits()
	c.unlocked(func() { v.secret, err = c.generate(createInput{Kty: last.kty, KeySize: &size, Crv: last.crv()}) })
	if err != nil {
		return nil, err
	}
	if again, err := c.rotatable(); err != nil || again != k {
		return nil, c.notFound()
	}
	return c.bundle(c.add(v), v), nil
}

// getRotationPolicy answers the policy, or that which every key has.
func getRotationPolicy(c *call) (any, error) {
	k, err := c.rotatable()
	if err != nil {
		return nil, err
	}
	if k.policy != nil {
		return *k.policy, nil
	}
	standard := lifetimeAction{}
	standard.Trigger.TimeBeforeExpiry, standard.Action.Type = "P30D", "Notify"
	return rotationPolicy{ID: c.policyID(k), LifetimeActions: []lifetimeAction{standard}}, nil
}

func (c *call) policyID(k *key) string { return c.kid(k.name, "") + "/rotationpolicy" }

func updateRotationPolicy(c *call, in rotationPolicy) (any, error) {
	k, err := c.rotatable()
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	in.ID, in.Attributes.Created, in.Attributes.Updated = c.policyID(k), c.now.Unix(), c.now.Unix()
	if k.policy != nil {
		in.Attributes.Created = k.policy.Attributes.Created
	}
	k.policy = &in
	return in, nil
}

// check holds a policy against what is documented: an expiry of at least 28 days,
// at most one action of each type, each with one trigger (Key rotation).
func (p rotationPolicy) check() error {
	if text := p.Attributes.ExpiryTime; text != "" {
		if d, ok := parseDuration(text); !ok || d.days() < 28 {
			return refuse(codeBadParameter, "expiryTime must be an ISO 8601 duration of at least 28 days")
		}
	}
	seen := map[string]bool{}
	for _, a := range p.LifetimeActions {
		kind := strings.ToLower(a.Action.Type)
		if seen[kind] || kind != "rotate" && kind != "notify" {
			return refuse(codeBadParameter, "lifetimeActions has one Rotate and one Notify at most")
		}
		seen[kind] = true
		if err := a.check(kind, p.Attributes.ExpiryTime); err != nil {
			return err
		}
	}
	return nil
}

func (a lifetimeAction) check(kind, expiry string) error {
	after, before := a.Trigger.TimeAfterCreate, a.Trigger.TimeBeforeExpiry
	d, ok := parseDuration(after + before)
	switch {
	case (after == "") == (before == ""), !ok:
		return refuse(codeBadParameter, "A trigger has one of timeAfterCreate and timeBeforeExpiry")
	case kind == "notify" && after != "":
		return refuse(codeBadParameter, "Notify is triggered by timeBeforeExpiry")
	case kind == "rotate" && before != "" && expiry == "":
		return refuse(codeBadParameter, "timeBeforeExpiry needs expiryTime")
	case d.days() < 7:
		return refuse(codeBadParameter, "A trigger is at least 7 days from creation and from expiry")
	}
	return nil
}
