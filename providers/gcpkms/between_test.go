package gcpkms_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// between stands between adapter and emulator. It passes bytes on, so that what breaks
// behind it breaks before it; while it meddles, it is a gRPC server that passes
// messages on, one RPC's changed.
type between struct {
	addr string

	plain, meddler string // where connections go

	mu   sync.Mutex
	what meddling
	open map[net.Conn]chan struct{} // the client's side; closed when it has hung up
}

// meddling changes the messages of one RPC; nil passes them on.
type meddling struct {
	rpc             string // "" none
	request, answer func([]byte) []byte
}

// rename lets an answer be about another project of as long a name.
func rename(m []byte) []byte { return bytes.ReplaceAll(m, []byte(emulatedProject), []byte(elsewhere)) }

// spoil changes the last byte: of an import that is wrapped material.
func spoil(m []byte) []byte {
	m = bytes.Clone(m)
	m[len(m)-1] ^= 1
	return m
}

func newBetween(t *testing.T, behind string) *between {
	t.Helper()
	b := &between{plain: behind, open: map[net.Conn]chan struct{}{}}
	var serving sync.WaitGroup
	b.meddler = b.serveMeddler(t, behind)
	l := listen(t)
	b.addr = l.Addr().String()
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { b.pass(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); b.hangUp(); serving.Wait() })
	return b
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// pass connects a client to where connections go now.
func (b *between) pass(client net.Conn) {
	gone := make(chan struct{})
	defer close(gone)
	b.mu.Lock()
	to := b.plain
	if b.what.rpc != "" {
		to = b.meddler
	}
	b.open[client] = gone
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.open, client)
		b.mu.Unlock()
		_ = client.Close()
	}()
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", to)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(server, client)
	_ = server.Close()
	back.Wait()
}

// hangUp ends every connection, and waits until the client knows.
func (b *between) hangUp() {
	b.mu.Lock()
	var gone []chan struct{}
	for client, done := range b.open {
		_ = client.(*net.TCPConn).CloseWrite()
		gone = append(gone, done)
	}
	b.mu.Unlock()
	for _, done := range gone {
		<-done
	}
}

// meddle begins or ends meddling.
func (b *between) meddle(m meddling) {
	b.mu.Lock()
	b.what = m
	b.mu.Unlock()
	b.hangUp()
}

func (b *between) now() meddling {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.what
}

// serveMeddler passes messages on as bytes.
func (b *between) serveMeddler(t *testing.T, behind string) string {
	t.Helper()
	var serving sync.WaitGroup
	conn, err := grpc.NewClient(behind, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{})))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.WaitForHandlers(true), grpc.ForceServerCodecV2(raw{}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		return b.meddleWith(conn, s)
	}))
	l := listen(t)
	serving.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() { server.Stop(); serving.Wait(); _ = conn.Close() })
	return l.Addr().String()
}

func (b *between) meddleWith(conn *grpc.ClientConn, s grpc.ServerStream) error {
	method, ok := grpc.MethodFromServerStream(s)
	if !ok {
		return status.Error(codes.Internal, "no method")
	}
	var in, out []byte
	if err := s.RecvMsg(&in); err != nil {
		return err
	}
	m := b.now()
	if !strings.HasSuffix(method, "/"+m.rpc) {
		m = meddling{}
	}
	if m.request != nil {
		in = m.request(in)
	}
	md, _ := metadata.FromIncomingContext(s.Context())
	var header metadata.MD
	err := conn.Invoke(metadata.NewOutgoingContext(s.Context(), md.Copy()), method, &in, &out, grpc.Header(&header))
	_ = s.SetHeader(header)
	if err != nil {
		return err
	}
	if m.answer != nil {
		out = m.answer(out)
	}
	return s.SendMsg(&out)
}

// raw is a codec of bytes as they are.
type raw struct{}

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	p, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("not bytes: %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*p)}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	p, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("not bytes: %T", v)
	}
	*p = data.Materialize()
	return nil
}

func (raw) Name() string { return "proto" }
