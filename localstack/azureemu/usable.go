package azureemu

import (
	"cmp"
	"slices"
	"time"
)

// within refuses an operation outside of the version's dates. Decrypt, unwrap and
// verify are not bound by them (Key attributes: nbf, exp).
func (v *version) within(now time.Time, op string) error {
	if slices.Contains([]string{opDecrypt, opUnwrap, opVerify}, op) {
		return nil
	}
	switch {
	case v.nbf != nil && now.Before(time.Unix(*v.nbf, 0)):
		return refuseAs(codeForbidden, innerNotYetValid, "Operation %s is not allowed on a key that is not yet valid.", op)
	case v.exp != nil && !now.Before(time.Unix(*v.exp, 0)):
		return refuseAs(codeForbidden, innerExpired, "Operation %s is not allowed on an expired key.", op)
	}
	return nil
}

// usable refuses an operation that the version does not have, or has not now.
func (v *version) usable(now time.Time, op string) error {
	switch {
	case !v.enabled:
		return refuseAs(codeForbidden, innerDisabled, "Operation %s is not allowed on a disabled key.", op)
	case !v.allows(op):
		return refuse(codeForbidden, "Operation %s is not permitted on this key.", op)
	}
	return v.within(now, op)
}

// crypto finds the version of a cryptographic operation, and takes it from its
// quota.
func (c *call) crypto(op string) (*key, *version, error) {
	k, v, err := c.findVersion()
	if err != nil {
		return nil, nil, err
	}
	if err := cmp.Or(v.usable(c.now, op), c.throttle(cryptoGroup(v.kty), cryptoWeight(v))); err != nil {
		return nil, nil, err
	}
	return k, v, nil
}
