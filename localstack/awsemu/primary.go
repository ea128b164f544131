package awsemu

import "cmp"

type updatePrimaryInput struct {
	KeyID         string `json:"KeyId"`
	PrimaryRegion string `json:"PrimaryRegion"`
}

// updatePrimaryRegion makes a replica the primary, and the primary a replica. Both
// are Updating for a while, in which they can be used (API Reference).
func updatePrimaryRegion(c *call, in updatePrimaryInput) (any, error) {
	if err := checkRegion("PrimaryRegion", in.PrimaryRegion); err != nil {
		return nil, err
	}
	old, err := c.key(in.KeyID)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(old.requirePrimary(c.action), old.enabled()); err != nil {
		return nil, err
	}
	next := old.family.members[in.PrimaryRegion]
	switch next {
	case nil:
		return nil, refuse(codeNotFound, "Key '%s' does not exist", place{c.place.account, in.PrimaryRegion}.arn("key/"+old.id))
	case old:
		return nil, refuse(codeUnsupported, "%s is the primary key already", old.arn)
	}
	if err := cmp.Or(next.enabled(), old.unsettled()); err != nil {
		return nil, err
	}
	old.family.primary = next.place.region
	next.rotations = old.rotations
	until := c.now.Add(c.settings().ReplicationDelay.Duration())
	old.pass(stateUpdating, until)
	next.pass(stateUpdating, until)
	return none{}, nil
}

// unsettled refuses to move the primary while a rotation or a new material is on its
// way through the regions. AWS does not say what becomes of them.
func (k *key) unsettled() error {
	if m := k.pending(); !k.rotateAt.IsZero() || m != nil && !k.everywhere(m) {
		return refuse(codeInvalidState, "%s has new key material that is not in all regions yet", k.arn)
	}
	return nil
}
