package gcpemu

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyferry/keyferry/localstack/faults"
)

// call is one request being performed, under the server's lock.
type call struct {
	s        *Server
	rpc      string
	action   action
	id       string
	metadata metadata.MD
	who      *principal
	refused  error // of authentication
	now      time.Time
	key      *key // what it is about, once looked up
}

func (c *call) settings() Settings { return c.s.settings }

func (c *call) lenient() bool { return c.s.settings.Lenient }

// unlocked runs f without the server's lock: for work of seconds. What was looked up
// before must be looked up again.
func (c *call) unlocked(f func()) {
	c.s.mu.Unlock()
	defer c.s.mu.Lock()
	f()
}

// perform does one RPC under the server's lock: who asks, how, what, whether they
// may, and then the RPC itself.
func (c *call) perform(in proto.Message) (proto.Message, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.now = c.s.clock.Now()
	if c.refused != nil {
		return nil, c.refused
	}
	if c.action.run == nil {
		return nil, refuse(codes.Unimplemented, "the emulator does not model the method %s", c.rpc)
	}
	about := subject(in)
	if err := cmp.Or(c.checkHeader(in), c.action.checkFields(in), c.allow(c.action.permission, about), c.throttle(about)); err != nil {
		return nil, err
	}
	out, err := c.action.run(c, in)
	if err == nil && c.key != nil {
		c.key.commits[c.rpc]++
	}
	return out, err
}

// allow refuses what the caller has no permission for, and other projects than those
// there are.
func (c *call) allow(permission, resource string) error {
	rest, full := strings.CutPrefix(resource, "projects/")
	project, _, _ := strings.Cut(rest, "/")
	known := func(ring string) bool { return strings.HasPrefix(ring, "projects/"+project+"/") }
	if full && project != c.s.project && !slices.ContainsFunc(c.s.rings, known) {
		return denied(permission, resource)
	}
	if permission != "" && !c.who.may(permission) {
		return denied(permission, resource)
	}
	return nil
}

// routed are the fields that name what a request is about, which clients also send
// in x-goog-request-params (AIP-4222).
func routed() []string {
	return []string{"parent", "name", "crypto_key.name", "crypto_key_version.name", "location"}
}

// route is the field of routed that a message has, and its value.
func route(m proto.Message) (field, value string) {
	for _, path := range routed() {
		at := m.ProtoReflect()
		parts := strings.Split(path, ".")
		for i, part := range parts {
			f := at.Descriptor().Fields().ByName(protoreflect.Name(part))
			if f == nil || i == 0 && len(parts) == 2 && f.Kind() != protoreflect.MessageKind {
				break
			}
			if i == len(parts)-1 {
				return path, at.Get(f).String()
			}
			at = at.Get(f).Message()
		}
	}
	return "", ""
}

// subject is the resource that a request is about.
func subject(m proto.Message) string {
	_, name := route(m)
	return name
}

// identify is what fault rules match, before the request is performed.
func (c *call) identify(about string, in proto.Message) faults.Call {
	out := faults.Call{Service: "kms", Action: c.rpc, RequestID: c.id, KeyID: about, Tags: map[string]string{}}
	if c.who != nil {
		out.AccessKey = c.who.Email
	}
	part := strings.Split(about, "/")
	for i := 0; i+1 < len(part); i += 2 {
		switch part[i] {
		case "projects":
			out.Account = part[i+1]
		case "locations":
			out.Region = part[i+1]
		case "cryptoKeys":
			out.Key = part[i+1]
		}
	}
	if id, labels, ok := created(in); ok {
		out.Key, out.KeyID = id, about+"/cryptoKeys/"+id
		maps.Copy(out.Tags, labels)
	}
	maps.Copy(out.Tags, c.s.labels(about))
	return out
}

// labels are those of the key that a name is of or in.
func (s *Server) labels(name string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, _, _ = strings.Cut(name, "/cryptoKeyVersions/")
	if r := s.store.rings[parent(name)]; r != nil && r.keys[name] != nil {
		return maps.Clone(r.keys[name].labels)
	}
	return nil
}
