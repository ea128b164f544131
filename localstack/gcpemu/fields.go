package gcpemu

import (
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// checkFields refuses fields that the emulator does not model, set or unknown. A
// field of the list that ends in ".*" stands for all in it.
func (a action) checkFields(in proto.Message) error {
	if path := unmodelled("", in.ProtoReflect(), a.fields); path != "" {
		return refuse(codes.Unimplemented, "the emulator does not model the field %s of %s", path, a.rpc)
	}
	return nil
}

// unmodelled is the path of a field that is set and not in the list; "" for none.
func unmodelled(prefix string, m protoreflect.Message, modelled []string) (path string) {
	if len(m.GetUnknown()) > 0 {
		return prefix + "(unknown to kmspb)"
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := prefix + string(f.Name())
		switch {
		case slices.Contains(modelled, name), slices.Contains(modelled, name+".*"):
		case f.Kind() == protoreflect.MessageKind && !f.IsMap() && !f.IsList() && hasPrefix(modelled, name+"."):
			path = unmodelled(name+".", v.Message(), modelled)
		default:
			path = name
		}
		return path == ""
	})
	return path
}

func hasPrefix(list []string, prefix string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, prefix) })
}
