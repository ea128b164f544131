package gcpemu

import (
	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"
)

func locationActions() []action {
	return []action{
		on("GetLocation", "cloudkms.locations.get", reads, getLocation, "name"),
		on("ListLocations", "cloudkms.locations.list", reads, listLocations, "name", "page_size", "page_token", "filter"),
	}
}

func (l Location) proto(project string) (*location.Location, error) {
	metadata, err := anypb.New(&kmspb.LocationMetadata{HsmAvailable: l.HSM})
	if err != nil {
		return nil, refuse(codes.Internal, "encode: %v", err)
	}
	return &location.Location{
		Name: project + "/locations/" + l.ID, LocationId: l.ID, DisplayName: l.ID, Metadata: metadata,
		Labels: map[string]string{"cloud.googleapis.com/region": l.ID},
	}, nil
}

func getLocation(c *call, in *location.GetLocationRequest) (*location.Location, error) {
	id, err := parse("name", locationShape, in.GetName())
	if err != nil {
		return nil, err
	}
	l, err := c.location(id.location())
	if err != nil {
		return nil, err
	}
	return l.proto("projects/" + id.project())
}

// listedLocations makes the mixin's request look like the service's own.
type listedLocations struct{ *location.ListLocationsRequest }

// GetParent is the project.
func (l listedLocations) GetParent() string { return l.GetName() }

func listLocations(c *call, in *location.ListLocationsRequest) (*location.ListLocationsResponse, error) {
	if _, err := parse("name", projectShape, in.GetName()); err != nil {
		return nil, err
	}
	known := map[string]Location{}
	for _, l := range c.s.locations {
		known[in.GetName()+"/locations/"+l.ID] = l
	}
	l, err := c.choose(listedLocations{in}, sorted(known), func(name string) map[string]any { return map[string]any{"name": name} })
	if err != nil {
		return nil, err
	}
	out := &location.ListLocationsResponse{NextPageToken: l.next}
	for _, name := range l.names {
		one, err := known[name].proto(in.GetName())
		if err != nil {
			return nil, err
		}
		out.Locations = append(out.Locations, one)
	}
	return out, nil
}
