package awskms

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/smithy-go/logging"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
)

// signedAs is who calls are signed as: what imports, and what uses keys in proofs,
// which is the same where no proof role is configured.
type signedAs struct{ importing, proving aws.CredentialsProvider }

// credentialsOf starts with the configured provider or the SDK's default chain; each
// role is assumed with that.
func credentialsOf(ctx context.Context, c Config, w *wire) (signedAs, error) {
	base := c.Credentials
	if base == nil {
		var err error
		if base, err = defaultChain(ctx, c); err != nil {
			return signedAs{}, err
		}
	}
	as := signedAs{importing: c.assuming(w, base, c.RoleARN, c.ExternalID)}
	as.proving = as.importing
	if c.ProofRoleARN != "" {
		as.proving = c.assuming(w, base, c.ProofRoleARN, c.ProofExternalID)
	}
	return as, nil
}

// assuming is a role assumed with base; base itself where there is none.
func (c Config) assuming(w *wire, base aws.CredentialsProvider, role, externalID string) aws.CredentialsProvider {
	if role == "" {
		return source{base}
	}
	assumed := stscreds.NewAssumeRoleProvider(newSTS(c, w, base), role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "keyferry"
		if externalID != "" {
			o.ExternalID = &externalID
		}
	})
	return source{aws.NewCredentialsCache(assumed)}
}

// source tells a failure to get credentials from one of the call they are for.
type source struct{ aws.CredentialsProvider }

// Retrieve is the provider's, with its error marked.
func (s source) Retrieve(ctx context.Context) (aws.Credentials, error) {
	got, err := s.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return got, &credentialsError{err}
	}
	return got, nil
}

// credentialsError is an error of getting them.
type credentialsError struct{ err error }

// Error says what is missing, and why.
func (e *credentialsError) Error() string { return "no credentials: " + e.err.Error() }

// Unwrap gives what happened.
func (e *credentialsError) Unwrap() error { return e.err }

// defaultChain loads the SDK's default credential chain. Only its credentials are
// used: clients are built from Config alone.
func defaultChain(ctx context.Context, c Config) (aws.CredentialsProvider, error) {
	client, err := chainClient(c)
	if err != nil {
		return nil, err
	}
	unused, err := unusedRoot()
	if err != nil {
		return nil, err
	}
	options := []func(*config.LoadOptions) error{
		config.WithRegion(c.Region),
		config.WithHTTPClient(client),
		config.WithCustomCABundle(unused),
		config.WithLogger(logging.Nop{}),
	}
	if c.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(c.Profile))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	return loaded.Credentials, nil
}

// chainClient trusts the system's roots, uses no proxy but the configured one, and
// opens connections only where credentials come from.
func chainClient(c Config) (*awshttp.BuildableClient, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("load system roots: %w", err)
	}
	proxy, err := endpoint.ParseProxy(c.Proxy)
	if err != nil {
		return nil, err
	}
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig.RootCAs = roots
		t.Proxy = http.ProxyURL(proxy)
		dial := t.DialContext
		t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(addr)
			if err != nil || (proxy == nil && !chainMayReach(host, c.Partition)) {
				return nil, fmt.Errorf("fetch credentials from %s: not AWS's; endpoints in the environment and in SDK files do not count: %w", addr, broker.Denied)
			}
			return dial(ctx, network, addr)
		}
	}), nil
}

// unusedRoot is a certificate whose key nobody has. Given to the SDK as its CA
// bundle it displaces AWS_CA_BUNDLE and ca_bundle, which cannot be switched off.
func unusedRoot() (io.Reader, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make placeholder certificate: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: false, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, fmt.Errorf("make placeholder certificate: %w", err)
	}
	return strings.NewReader(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))), nil
}
