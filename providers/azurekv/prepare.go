package azurekv

import (
	"context"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// Prepare says where the key will be: it comes to be with its first import. Nothing is
// sent.
func (p *Provider) Prepare(_ context.Context, _ broker.Effect, in broker.PrepareIn) (broker.Prepared, error) {
	if err := p.c.takes(in); err != nil {
		return broker.Prepared{}, err
	}
	object := "key " + in.Name
	switch {
	case !nameShape().MatchString(in.RemoteName):
		return broker.Prepared{}, refuse(broker.Misuse, "prepare", object, "%q is not a name of a key there", plain(in.RemoteName))
	case strings.EqualFold(in.RemoteName, kekName):
		return broker.Prepared{}, refuse(broker.Misuse, "prepare", object, "the name %s is that of the KEKs", kekName)
	}
	return broker.Prepared{Key: broker.KeyRef{ID: p.keyID(in.RemoteName)}, Receipt: broker.Receipt{Endpoint: p.wire.vault}}, nil
}

// takes refuses a key that the vault cannot hold, or not as it is asked for.
func (c Config) takes(in broker.PrepareIn) error {
	spec, object := c.specs()[in.Spec], "key "+in.Name
	switch {
	case in.Replica != nil || in.MultiRegion:
		return refuse(broker.Unsupported, "prepare", object, "Azure has no replicas of keys")
	case in.Algorithm != "":
		return refuse(broker.Unsupported, "prepare", object, "an Azure key is bound to no algorithm: %q", in.Algorithm)
	case spec.Unsupported != "":
		return refuse(broker.Unsupported, "prepare", object, "%s", spec.Unsupported)
	case spec.Proof[in.Purpose] == "":
		return refuse(broker.Unsupported, "prepare", object, "%s for %s: Azure has no such key", in.Spec, in.Purpose)
	default:
		return checkTags(object, in.Tags)
	}
}
