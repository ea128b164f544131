package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/cloud/location"

	"github.com/keyferry/keyferry/broker"
)

// Identify reads the key ring, so that a name, a project or a permission that is
// wrong shows before anything is made; and at protection level HSM whether the
// location has any. The account is the project that the answer names: the broker
// holds it against the enrolment. The principal is what the credentials say of
// themselves: KMS has no call that tells.
func (p *Provider) Identify(ctx context.Context) (broker.Identity, error) {
	c := call{name: "GetKeyRing", verb: "identify", object: p.c.ring()}
	ring, receipt, err := invoke(ctx, p, c, p.kms.GetKeyRing, &kmspb.GetKeyRingRequest{Name: p.c.ring()})
	switch {
	case errors.Is(err, broker.NotFound):
		return broker.Identity{}, p.noRing(err)
	case err != nil:
		return broker.Identity{}, err
	}
	if err := p.same(c, p.c.ring(), ring.GetName()); err != nil {
		return broker.Identity{}, err
	}
	if p.c.Protection == HSM {
		if err := p.hasHSM(ctx); err != nil {
			return broker.Identity{}, err
		}
	}
	name, err := p.who.name(ctx)
	if err != nil {
		return broker.Identity{}, p.translate(ctx, c, &record{}, asTokenError(err))
	}
	return broker.Identity{Account: projectOf(ring.GetName()), Principal: name, Receipt: receipt}, nil
}

// IdentifyProof has a token made of the account that proofs are asked for as: there is
// nothing that it may look at without a key.
func (p *Provider) IdentifyProof(ctx context.Context) (broker.Identity, error) {
	if p.c.ProofImpersonate == "" {
		return broker.Identity{}, nil
	}
	if _, err := p.prover.token(ctx); err != nil {
		c := call{verb: "impersonate for proofs", object: p.c.ProofImpersonate}
		return broker.Identity{}, p.translate(ctx, c, &record{}, err)
	}
	return broker.Identity{Account: p.c.Project, Principal: p.c.ProofImpersonate}, nil
}

func projectOf(name string) string {
	project, _, _ := strings.Cut(strings.TrimPrefix(name, "projects/"), "/")
	return project
}

// noRing says how to make the ring that is not there: the adapter never does, since a
// ring is for ever. Google answers the same of a location that does not exist.
func (p *Provider) noRing(cause error) error {
	return &broker.Error{
		Kind: broker.NotFound, Op: "identify", Object: p.c.ring(), Cause: unwrapped(cause),
		Hint: fmt.Sprintf("check the location (gcloud kms locations list --project %s), then make the key ring, which can never be deleted: "+
			"gcloud kms keyrings create %s --location %s --project %s", p.c.Project, p.c.Ring, p.c.Location, p.c.Project),
	}
}

// hasHSM is Unsupported where the location has none.
func (p *Provider) hasHSM(ctx context.Context) error {
	c := call{name: "GetLocation", verb: "identify", object: p.c.location()}
	out, _, err := invoke(ctx, p, c, p.locations.GetLocation, &location.GetLocationRequest{Name: p.c.location()})
	if err != nil {
		return err
	}
	if err := p.same(c, p.c.location(), out.GetName()); err != nil {
		return err
	}
	var about kmspb.LocationMetadata
	if err := out.GetMetadata().UnmarshalTo(&about); err != nil {
		return unusable(c, fmt.Errorf("what the answer says of the location cannot be read: %w", err))
	}
	if about.GetHsmAvailable() {
		return nil
	}
	return &broker.Error{
		Kind: broker.Unsupported, Op: "identify", Object: p.c.location(),
		Cause: fmt.Errorf("%s has no HSMs, so keys of protection level %s cannot be made there", p.c.Location, HSM),
		Hint:  "use another location, or say protection: software, which a policy must allow",
	}
}
