package gcpemu

import (
	"slices"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// location finds a place of the emulator.
func (c *call) location(id string) (Location, error) {
	i := slices.IndexFunc(c.s.locations, func(l Location) bool { return l.ID == id })
	if i < 0 {
		return Location{}, notFound("Location", id)
	}
	return c.s.locations[i], nil
}

// ring finds a key ring.
func (c *call) ring(field, name string) (*ring, error) {
	id, err := parse(field, ringShape, name)
	if err != nil {
		return nil, err
	}
	if _, err := c.location(id.location()); err != nil {
		return nil, err
	}
	r := c.s.store.rings[name]
	if r == nil {
		return nil, notFound("KeyRing", name)
	}
	return r, nil
}

func (r *ring) proto() *kmspb.KeyRing {
	return &kmspb.KeyRing{Name: r.name, CreateTime: timestamppb.New(r.created)}
}

// createKeyRing: a key ring is for ever.
func createKeyRing(c *call, in *kmspb.CreateKeyRingRequest) (*kmspb.KeyRing, error) {
	id, err := parse("parent", locationShape, in.GetParent())
	if err != nil {
		return nil, err
	}
	if _, err := c.location(id.location()); err != nil {
		return nil, err
	}
	if err := checkID("key_ring_id", in.GetKeyRingId()); err != nil {
		return nil, err
	}
	name := in.GetParent() + "/keyRings/" + in.GetKeyRingId()
	if c.s.store.rings[name] != nil {
		return nil, refuse(codes.AlreadyExists, "KeyRing %s already exists.", name)
	}
	return c.s.store.make(name, c.now).proto(), nil
}

func getKeyRing(c *call, in *kmspb.GetKeyRingRequest) (*kmspb.KeyRing, error) {
	r, err := c.ring("name", in.GetName())
	if err != nil {
		return nil, err
	}
	return r.proto(), nil
}

func listKeyRings(c *call, in *kmspb.ListKeyRingsRequest) (*kmspb.ListKeyRingsResponse, error) {
	id, err := parse("parent", locationShape, in.GetParent())
	if err != nil {
		return nil, err
	}
	if _, err := c.location(id.location()); err != nil {
		return nil, err
	}
	var all []string
	for _, name := range sorted(c.s.store.rings) {
		if strings.HasPrefix(name, in.GetParent()+"/") {
			all = append(all, name)
		}
	}
	l, err := c.choose(in, all, func(name string) map[string]any {
		return map[string]any{"name": name, "createTime": c.s.store.rings[name].created}
	})
	if err != nil {
		return nil, err
	}
	out := &kmspb.ListKeyRingsResponse{NextPageToken: l.next, TotalSize: l.total}
	for _, name := range l.names {
		out.KeyRings = append(out.KeyRings, c.s.store.rings[name].proto())
	}
	return out, nil
}
