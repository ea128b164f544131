package gcpkms_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

// The target of tests against a script.
const (
	project  = "keyferry-tests"
	place    = "europe-west3"
	ringName = "projects/" + project + "/locations/" + place + "/keyRings/ring"
	keyName  = ringName + "/cryptoKeys/payments"
)

// asking is one request that a script was sent.
type asking struct {
	rpc    string
	in     proto.Message
	header metadata.MD
}

// script is a service that answers by RPC and remembers what was asked. It is for
// answers that the emulator, which is faithful, never gives.
type script struct {
	addr string

	mu   sync.Mutex
	sent []asking
}

// answering answers one RPC.
type answering func(a asking) (proto.Message, error)

func newScript(t *testing.T, answer answering) *script {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{addr: l.Addr().String()}
	server := grpc.NewServer(grpc.WaitForHandlers(true), grpc.UnaryInterceptor(
		func(ctx context.Context, in any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
			a := asking{rpc: info.FullMethod[strings.LastIndex(info.FullMethod, "/")+1:], in: in.(proto.Message)}
			a.header, _ = metadata.FromIncomingContext(ctx)
			s.mu.Lock()
			s.sent = append(s.sent, a)
			s.mu.Unlock()
			return answer(a)
		}))
	kmspb.RegisterKeyManagementServiceServer(server, kmspb.UnimplementedKeyManagementServiceServer{})
	location.RegisterLocationsServer(server, &location.UnimplementedLocationsServer{})
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() { server.Stop(); serving.Wait() })
	return s
}

func (s *script) asked() []asking {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asking(nil), s.sent...)
}

// rpcs are the names of what was asked.
func (s *script) rpcs() []string {
	var out []string
	for _, a := range s.asked() {
		out = append(out, a.rpc)
	}
	return out
}

// failing answers everything with a code.
func failing(code codes.Code, message string) answering {
	return func(asking) (proto.Message, error) { return nil, status.Error(code, message) }
}

// saying answers some RPCs, and says that everything else is not there.
func saying(answers map[string]proto.Message) answering {
	return func(a asking) (proto.Message, error) {
		if m, ok := answers[a.rpc]; ok {
			return m, nil
		}
		return nil, status.Error(codes.NotFound, "no "+a.rpc)
	}
}

// fixed is a source of one token.
type fixed string

func (f fixed) Token(context.Context) (*auth.Token, error) { return &auth.Token{Value: string(f)}, nil }

// noToken is a source of none.
type noToken struct{ err error }

func (n noToken) Token(context.Context) (*auth.Token, error) { return nil, n.err }

// base is a config that needs nothing else.
func base() gcpkms.Config {
	return gcpkms.Config{Project: project, Location: place, Ring: "ring", Tokens: fixed("token"), Now: time.Now}
}

func adapter(t *testing.T, s *script, change ...func(*gcpkms.Config)) *gcpkms.Provider {
	t.Helper()
	c := base()
	c.Endpoint, c.Settle, c.Poll = "http://"+s.addr, time.Second, 10*time.Millisecond
	return open(t, c, change...)
}

func open(t *testing.T, c gcpkms.Config, change ...func(*gcpkms.Config)) *gcpkms.Provider {
	t.Helper()
	for _, f := range change {
		f(&c)
	}
	p, err := gcpkms.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func macKey() broker.PrepareIn {
	return broker.PrepareIn{
		Name: "payments", KeyID: "0123456789abcdef", Number: 1, Spec: broker.HMAC256, Purpose: broker.MAC, Mode: broker.NewKey, RemoteName: "payments",
	}
}

func effect(step broker.Step) broker.Effect {
	return broker.Effect{Operation: "20270131T120000-0a1b2c", Target: "google", Step: step}
}

func prepare(t *testing.T, p *gcpkms.Provider) error {
	t.Helper()
	_, err := p.Prepare(t.Context(), effect(broker.StepPrepare), macKey())
	return err
}

func look(t *testing.T, p *gcpkms.Provider, q broker.Query) ([]broker.Observation, error) {
	t.Helper()
	var seen []broker.Observation
	for o, err := range p.Look(t.Context(), q) {
		if err != nil {
			return seen, err
		}
		seen = append(seen, o)
	}
	return seen, nil
}

// ref is a key of the target that may not be there, numbered a version of it.
func ref() *broker.KeyRef { return &broker.KeyRef{ID: keyName} }

func numbered(id string) broker.VersionRef { return broker.VersionRef{Key: *ref(), ID: id} }

// inWords is the error as the broker's, or a failure of the test.
func inWords(t *testing.T, err error) *broker.Error {
	t.Helper()
	e, ok := errors.AsType[*broker.Error](err)
	if !ok {
		t.Fatalf("%T is not a *broker.Error: %v", err, err)
	}
	if e.Op == "" || e.Object == "" {
		t.Errorf("it does not say what was done to what: %v", err)
	}
	return e
}

// identified answers that the ring is there.
func identified(a asking) (proto.Message, error) {
	return saying(map[string]proto.Message{"GetKeyRing": &kmspb.KeyRing{Name: ringName}})(a)
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
