package awskms

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"

	"github.com/keyferry/keyferry/broker"
)

// Provider is KMS in one account and region. It is safe for concurrent use.
type Provider struct {
	c      Config
	policy policy
	as     signedAs
	kms    *kms.Client
	proof  *kms.Client // uses keys
	sts    *sts.Client
	wire   *wire
	reads  aws.Retryer
	caps   func() broker.Capabilities
	there  paced // of clients for the region of primary keys
}

var _ interface {
	broker.Provider
	broker.Identifier
	broker.ProofIdentifier
} = (*Provider)(nil)

// Open checks the configuration and prepares the clients. It calls no service:
// credentials are fetched with the first call. Errors are Misuse and name what is
// wrong in the configuration.
func Open(ctx context.Context, c Config) (*Provider, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	policy, err := newPolicy(c)
	if err != nil {
		return nil, err
	}
	if c, err = c.withPrices(); err != nil {
		return nil, err
	}
	c, err = c.withCA()
	if err != nil {
		return nil, &broker.Error{Kind: broker.Misuse, Op: "open AWS target", Object: c.Account + "/" + c.Region, Cause: err}
	}
	wire, err := newWire(c)
	if err != nil {
		return nil, &broker.Error{Kind: broker.Misuse, Op: "open AWS target", Object: c.Account + "/" + c.Region, Cause: err}
	}
	as, err := credentialsOf(ctx, c, wire)
	if err != nil {
		return nil, &broker.Error{Kind: broker.Misuse, Op: "load AWS configuration for", Object: c.Account + "/" + c.Region, Cause: err}
	}
	here, there := c.paces()
	p := &Provider{c: c, caps: sync.OnceValue(c.capabilities), policy: policy, wire: wire, reads: readRetryer(), as: as, there: there, sts: newSTS(c, wire, as.importing)}
	p.kms, p.proof = p.client(as.importing, c.Region, c.Endpoint, here), p.client(as.proving, c.Region, c.Endpoint, here)
	return p, nil
}

// Close gives idle connections back.
func (p *Provider) Close() { p.wire.transport.CloseIdleConnections() }

// Genuine reports whether the endpoint is AWS's own, so that what AWS documents
// may be relied on: a genuine host, TLS, and no roots but the system's.
func (p *Provider) Genuine() bool {
	return genuine(p.c.Endpoint, p.c.Region, p.c.Partition) && genuine(p.c.PrimaryEndpoint, p.c.PrimaryRegion, p.c.Partition) &&
		len(p.c.CAPEM) == 0 && p.c.RootCAs == nil
}

// client is one for a region. It repeats nothing: invoke says what may be.
func (p *Provider) client(as aws.CredentialsProvider, region, url string, pace paced) *kms.Client {
	return kms.New(kms.Options{
		Region: region, BaseEndpoint: baseEndpoint(url), Credentials: as, HTTPClient: p.wire,
		Retryer: aws.NopRetryer{}, HTTPSignerV4: newSigner(p.c.Now), DisableClockSkewCorrection: true,
		APIOptions: []func(*middleware.Stack) error{pace.into},
	})
}

func newSTS(c Config, wire *wire, creds aws.CredentialsProvider) *sts.Client {
	return sts.New(sts.Options{
		Region: c.Region, BaseEndpoint: baseEndpoint(c.stsEndpoint()), Credentials: creds, HTTPClient: wire,
		Retryer: aws.NopRetryer{}, HTTPSignerV4: newSigner(c.Now), DisableClockSkewCorrection: true,
	})
}

func baseEndpoint(url string) *string {
	if url == "" {
		return nil
	}
	return &url
}

// readRetryer tries a read three times while it fails for a passing reason.
// Throttling is not one: the broker paces its calls.
func readRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 3
		o.RateLimiter = ratelimit.None
		o.Retryables = []retry.IsErrorRetryable{
			retry.NoRetryCanceledError{},
			retry.IsErrorRetryableFunc(func(err error) aws.Ternary { return aws.BoolTernary(passing(err)) }),
		}
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return 50 * time.Millisecond << attempt, nil
		})
	})
}

// wait polls until done, at most Config.Settle. Running out of time is no error:
// it waits for what has already happened to show.
func (p *Provider) wait(ctx context.Context, done func(context.Context) bool) {
	ctx, cancel := context.WithTimeout(ctx, p.c.Settle)
	defer cancel()
	for pause := min(p.c.Poll, 50*time.Millisecond); !done(ctx); pause = min(2*pause, p.c.Poll) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// final reports an error that waiting does not cure.
func final(err error) bool {
	return err != nil && !errors.Is(err, broker.NotFound) && !errors.Is(err, broker.Unavailable) && !errors.Is(err, broker.Throttled)
}

func (p *Provider) String() string { return fmt.Sprintf("AWS KMS %s/%s", p.c.Account, p.c.Region) }
