package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/cloud/location"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/pace"
)

// Provider is KMS in one key ring. It is safe for concurrent use.
type Provider struct {
	c           Config
	caps        func() broker.Capabilities
	wire        *wire
	pace        *pace.Pacer
	tokens      *http.Transport
	kms         kmspb.KeyManagementServiceClient
	locations   location.LocationsClient
	who, prover principal
}

var _ interface {
	broker.Provider
	broker.Identifier
	broker.ProofIdentifier
} = (*Provider)(nil)

// Open checks the configuration, reads the credentials and prepares the connection.
// It calls no service: tokens are asked for with the first call. Errors are Misuse
// and name what is wrong in the configuration.
func Open(_ context.Context, c Config) (*Provider, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	c, err := c.withPrices()
	if err != nil {
		return nil, err
	}
	c, err = c.withFiles()
	if err != nil {
		return nil, c.misuse(err)
	}
	p := &Provider{c: c, caps: sync.OnceValue(c.capabilities), pace: c.Pace.Pacer(c.quotas())}
	client, transport, err := newTokenClient(c)
	if err != nil {
		return nil, c.misuse(err)
	}
	p.tokens = transport
	if p.who, p.prover, err = principals(c, client); err != nil {
		return nil, c.misuse(err)
	}
	if p.wire, err = newWire(c); err != nil {
		return nil, c.misuse(err)
	}
	p.kms, p.locations = kmspb.NewKeyManagementServiceClient(p.wire.conn), location.NewLocationsClient(p.wire.conn)
	return p, nil
}

// Close closes the connections.
func (p *Provider) Close() {
	_ = p.wire.conn.Close() // only a closed one is refused
	p.tokens.CloseIdleConnections()
}

// Genuine reports whether the endpoint is Google's own, so that what Google documents
// may be relied on: a genuine host, TLS, no roots but the system's, and Google's tokens.
func (p *Provider) Genuine() bool {
	return genuine(p.c.Endpoint, p.c.Location) && p.c.TokenEndpoint == "" && len(p.c.CAPEM) == 0 && p.c.RootCAs == nil
}

func (p *Provider) String() string { return "Google Cloud KMS " + p.c.ring() }

// poll asks until done, or until Config.Settle has passed.
func (p *Provider) poll(ctx context.Context, ask func(context.Context) (done bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, p.c.Settle)
	defer cancel()
	for pause := min(p.c.Poll, 50*time.Millisecond); ; pause = min(2*pause, p.c.Poll) {
		done, err := ask(ctx)
		if err == nil && done || err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("at most %s: %w", p.c.Settle, errors.Join(errNotYet, context.Cause(ctx)))
		case <-time.After(pause):
		}
	}
}

// errNotYet is a wait that ended without what was waited for.
var errNotYet = errors.New("it is not there yet")
