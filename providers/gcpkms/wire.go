package gcpkms

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
)

// Bounds of one call: a target that drips or floods ends as an answer that was cut,
// long before a lease runs out or memory does. Google's largest answers, a page of a
// list with attestations, have a few hundred KiB.
const (
	callTimeout = time.Minute
	answerBytes = 4 << 20
	headerBytes = 64 << 10
	dialTimeout = 10 * time.Second
)

// wire is the connection of one provider. It notes of every call what evidence and
// error messages need.
type wire struct {
	conn *grpc.ClientConn
	host string // host:port
	// handshake is why the last TLS handshake failed; nil where it did not.
	handshake atomic.Pointer[x509Error]
}

type x509Error struct{ err error }

func newWire(c Config) (*wire, error) {
	roots, err := endpoint.Roots(c.CAFile, c.CAPEM, c.RootCAs)
	if err != nil {
		return nil, err
	}
	proxy, err := endpoint.ParseProxy(c.Proxy)
	if err != nil {
		return nil, err
	}
	w := &wire{host: address(c.Endpoint)}
	w.conn, err = grpc.NewClient("passthrough:///"+w.host,
		grpc.WithTransportCredentials(w.transport(c, roots)),
		grpc.WithContextDialer(dialer(proxy)),
		grpc.WithNoProxy(), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
		grpc.WithStatsHandler(observer{}), grpc.WithUserAgent("keyferry"),
		grpc.WithMaxHeaderListSize(headerBytes), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(answerBytes)),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: dialTimeout, Backoff: backoff.Config{
			BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second,
		}}))
	return w, err
}

// transport is TLS, or nothing where the endpoint is plain and on this machine.
func (w *wire) transport(c Config, roots *x509.CertPool) credentials.TransportCredentials {
	if class(c.Endpoint, c.Location) == classPlain {
		return insecure.NewCredentials()
	}
	return watched{credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}), w}
}

// watched remembers why a handshake failed, which gRPC hands on as text alone.
type watched struct {
	credentials.TransportCredentials

	w *wire
}

// ClientHandshake implements credentials.TransportCredentials.
func (t watched) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	out, info, err := t.TransportCredentials.ClientHandshake(ctx, authority, conn)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		t.w.handshake.Store(&x509Error{err})
	} else {
		t.w.handshake.Store(nil)
	}
	return out, info, err
}

// Clone implements credentials.TransportCredentials.
func (t watched) Clone() credentials.TransportCredentials {
	return watched{t.TransportCredentials.Clone(), t.w}
}

// dialer opens connections, through an HTTP proxy where there is one.
func dialer(proxy *url.URL) func(context.Context, string) (net.Conn, error) {
	d := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	if proxy == nil {
		return func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	}
	return func(ctx context.Context, addr string) (net.Conn, error) { return connect(ctx, d, proxy, addr) }
}

// record is what was noted of one call.
type record struct {
	sent      bool // a stream was opened: the request may have arrived
	answered  bool // the status is the server's
	receipt   broker.Receipt
	localTime time.Time // when the answer came, by this machine's clock
}

type recordKey struct{}

// recording is a context in which the observer notes into rec.
func recording(ctx context.Context, rec *record) context.Context {
	return context.WithValue(ctx, recordKey{}, &progress{rec: rec})
}

// progress is written by gRPC's goroutines while the call runs.
type progress struct {
	rec            *record
	sent, answered atomic.Bool
}

// settle takes over what was observed, when the call has ended.
func settle(ctx context.Context) {
	if p, ok := ctx.Value(recordKey{}).(*progress); ok {
		p.rec.sent, p.rec.answered = p.sent.Load(), p.answered.Load()
	}
}

// observer sees calls leave and be answered.
type observer struct{}

// HandleRPC implements stats.Handler.
func (observer) HandleRPC(ctx context.Context, s stats.RPCStats) {
	p, ok := ctx.Value(recordKey{}).(*progress)
	if !ok {
		return
	}
	switch s.(type) {
	case *stats.OutHeader:
		p.sent.Store(true)
	case *stats.InTrailer:
		p.answered.Store(true)
	}
}

// TagRPC implements stats.Handler.
func (observer) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (observer) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (observer) HandleConn(context.Context, stats.ConnStats) {}

// note keeps what the answer's headers and the connection say.
func (r *record) note(header metadata.MD, from peer.Peer, now time.Time) {
	r.localTime = now
	if id := header.Get("x-request-id"); len(id) > 0 {
		r.receipt.RequestID = plain(id[0])
	}
	if date := header.Get("date"); len(date) > 0 {
		if at, err := http.ParseTime(date[0]); err == nil {
			r.receipt.ServerTime = at.UTC()
		}
	}
	info, ok := from.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return
	}
	r.receipt.TLSVersion = tls.VersionName(info.State.Version)
	r.receipt.TLSGroup = info.State.CurveID.String()
	if peers := info.State.PeerCertificates; len(peers) > 0 {
		sum := sha256.Sum256(peers[0].Raw)
		r.receipt.TLSPeer = hex.EncodeToString(sum[:])
	}
}
