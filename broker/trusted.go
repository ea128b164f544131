package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Truster holds material back from wrapping keys that its security officer did not mark
// (CKA_WRAP_WITH_TRUSTED, PKCS #11 v3.1 §4.9).
type Truster interface {
	// Trusts is nil where the token has the wrapping key as one that was marked, and
	// Denied where it has not.
	Trusts(ctx context.Context, key CheckedWrappingKey) error
}

// Officer is a token that its security officer is logged in to. He can make no keys and
// wrap none: that takes the other PIN.
type Officer interface {
	// Trust marks a wrapping key, which CheckMarked took. It was before, where it was
	// marked already.
	Trust(ctx context.Context, key CheckedWrappingKey) (before bool, err error)
}

// CheckMarked takes a public key (DER SubjectPublicKeyInfo) that is fit for wrapping and
// has the fingerprint that the security officer expects. Whose it is, only he can know.
// It wraps nothing: it has no plan.
func CheckMarked(der []byte, expected string) (CheckedWrappingKey, error) {
	got := fingerprint(der)
	if got != expected {
		return CheckedWrappingKey{}, &Error{
			Kind: Rejected, Op: "trust", Object: "wrapping key " + got, Cause: fmt.Errorf("the fingerprint that was given is %s", expected),
			Hint: "nothing was marked; one of the two is not the target's: find out which",
		}
	}
	return CheckWrappingKey(WrappingKey{PublicKey: der, Source: got}, Plan{}, WrappingKeyPolicy{}, time.Time{})
}

// trusted: the material is wrapped under trusted keys alone. What it was born as counts,
// and before its birth what the import was begun with.
func (l *line) trusted() bool {
	if l.version.Material.ID != "" {
		return l.version.Material.trusted()
	}
	return l.op.Params.Trusted
}

// trusted as it was born.
func (m Material) trusted() bool {
	return m.Attributes.WrapWithTrusted != nil && *m.Attributes.WrapWithTrusted
}

// trusts stops a line whose wrapping key nobody marked yet, before the import is on
// record as begun. The hint is all that the security officer needs; where he gets the
// key from is his own affair, for it is him whom the token believes.
func (l *line) trusts(ctx context.Context, p *place, key WrappingKey, checked CheckedWrappingKey) error {
	if !l.trusted() {
		return nil
	}
	token, ok := l.setup.Token.(Truster)
	if !ok {
		return &Error{Kind: Unsupported, Op: "wrap", Object: l.version.Material.String(), Cause: errors.New("the token knows no trusted wrapping keys")}
	}
	err := token.Trusts(ctx, checked)
	if !errors.Is(err, Denied) {
		return err
	}
	return &Error{
		Kind: Denied, Op: "wrap for target " + p.target.Name, Object: l.version.Material.String(), Cause: err,
		Hint: fmt.Sprintf("the token's security officer fetches the public key of %s from the target himself, and marks it: keyferry token trust --public-key FILE --fingerprint %s",
			key.Source, checked.Fingerprint()),
	}
}

// trusting says of each policy with wrap_with_trusted by which plan its keys go to its
// targets, or why they cannot.
func (d *Diagnosis) trusting(policies []Policy, targets []Target) {
	for _, p := range policies {
		if !p.WrapWithTrusted || p.Spec == "" {
			continue // of what spec its keys are, their import says
		}
		for _, t := range targets {
			if !slices.Contains(p.Targets, t.Name) {
				continue
			}
			plan, err := choose(p.Spec, t.Provider.Capabilities(), d.Plans, p)
			d.add("policy "+p.Name, "wrap_with_trusted at "+t.Name, err, fmt.Sprintf("%s, %s, once its security officer marked the wrapping key", plan.Mechanism, plan.Way))
		}
	}
}
