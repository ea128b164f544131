package gcpemu

import (
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
)

// Shapes of resource names (google/cloud/kms/v1/resources.proto).
const (
	projectShape  = "projects/*"
	locationShape = projectShape + "/locations/*"
	ringShape     = locationShape + "/keyRings/*"
	keyShape      = ringShape + "/cryptoKeys/*"
	versionShape  = keyShape + "/cryptoKeyVersions/*"
	jobShape      = ringShape + "/importJobs/*"
)

// ids are what stands for the stars of a shape, in order.
type ids []string

func (i ids) project() string  { return i[0] }
func (i ids) location() string { return i[1] }

// match takes a name of this shape apart.
func match(shape, name string) (ids, bool) {
	want, got := strings.Split(shape, "/"), strings.Split(name, "/")
	if len(want) != len(got) {
		return nil, false
	}
	var out ids
	for i, part := range got {
		switch {
		case part == "":
			return nil, false
		case want[i] == "*":
			out = append(out, part)
		case want[i] != part:
			return nil, false
		}
	}
	return out, true
}

// parse is match, or the refusal of a field whose name is not of this shape.
func parse(field, shape, name string) (ids, error) {
	if out, ok := match(shape, name); ok {
		return out, nil
	}
	return nil, refuse(codes.InvalidArgument, "%s %q does not match the pattern %s", field, name, shape)
}

// parent is the name without its last collection and id.
func parent(name string) string {
	for range 2 {
		name = name[:max(strings.LastIndex(name, "/"), 0)]
	}
	return name
}

// last is the name's last id.
func last(name string) string { return name[strings.LastIndex(name, "/")+1:] }

// idForm is what the comments of the Create requests ask of ids.
var idForm = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,63}$`)

func checkID(field, id string) error {
	if !idForm.MatchString(id) {
		return refuse(codes.InvalidArgument, "%s %q does not match the pattern [a-zA-Z0-9_-]{1,63}", field, id)
	}
	return nil
}
