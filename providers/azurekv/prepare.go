package azurekv

import (
	"context"

	"github.com/keyferry/keyferry/broker"
)

// Prepare says where the key will be: it comes to be with its first import. Nothing is
// sent.
func (p *Provider) Prepare(_ context.Context, _ broker.Effect, in broker.PrepareIn) (broker.Prepared, error) {
	spec := p.c.specs()[in.Spec]
	switch {
	case in.Replica != nil || in.MultiRegion:
		return broker.Prepared{}, refuse(broker.Unsupported, "prepare", "key "+in.Name, "Azure has no replicas of keys")
	case in.Algorithm != "":
		return broker.Prepared{}, refuse(broker.Unsupported, "prepare", "key "+in.Name, "an Azure key is bound to no algorithm: %q", in.Algorithm)
	case spec.Unsupported != "":
		return broker.Prepared{}, refuse(broker.Unsupported, "prepare", "key "+in.Name, "%s", spec.Unsupported)
	case spec.Proof[in.Purpose] == "":
		return broker.Prepared{}, refuse(broker.Unsupported, "prepare", "key "+in.Name, "%s for %s is not taken", in.Spec, in.Purpose)
	case !nameShape.MatchString(in.RemoteName):
		return broker.Prepared{}, refuse(broker.Misuse, "prepare", "key "+in.Name, "%q is not a name of a key there", in.RemoteName)
	}
	return broker.Prepared{Key: broker.KeyRef{ID: p.keyID(in.RemoteName)}, Receipt: broker.Receipt{Endpoint: p.wire.vault}}, nil
}
