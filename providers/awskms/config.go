package awskms

import (
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/keyferry/keyferry/providers/internal/prices"
	"github.com/keyferry/keyferry/providers/pace"
)

// Config is one enrolled target: an account in a region. Account, Region and Now
// are required; the zero value of everything else works.
type Config struct {
	Account   string // twelve digits
	Region    string // "eu-west-1"
	Partition string // "" follows from the region: aws, aws-cn, aws-us-gov …

	// RoleARN is assumed with what the default credential chain finds; ExternalID
	// goes with it. Everything is done as this role, or as the chain's identity.
	RoleARN, ExternalID string
	// ProofRoleARN is assumed the same way, for using keys in Prove alone: then the
	// importing role needs no permission to use one.
	ProofRoleARN, ProofExternalID string
	Profile                       string // of the SDK's shared files; "" is the chain's own choice
	// Credentials replaces the default chain.
	Credentials aws.CredentialsProvider

	// Endpoint is where KMS is: "" is AWS's own, else a URL without a path: a FIPS
	// or private-link endpoint, an emulator. STSEndpoint is where STS is: "" is
	// AWS's own where KMS is genuine, else Endpoint.
	Endpoint, STSEndpoint string
	// CAFile, its text CAPEM, or RootCAs replaces the system's roots. A file is
	// read once, when the provider is opened.
	CAFile  string
	CAPEM   []byte
	RootCAs *x509.CertPool
	Proxy   string // URL; "" none, whatever the environment says
	// Production refuses an endpoint that is not genuinely AWS's.
	Production bool

	// PrimaryRegion says that keys here are replicas of multi-Region keys in that
	// region; replicas of others are refused. PrimaryEndpoint is where KMS is there: ""
	// follows from Endpoint.
	PrimaryRegion, PrimaryEndpoint string
	// Replicated says that keys here get replicas in other regions, which needs one
	// permission more.
	Replicated bool

	// KeyPolicy is the key policy sent with every key: a JSON document, in which
	// {account}, {partition} and {region} are filled in. "" lets the account's IAM
	// policies decide (AWS's default policy, said explicitly).
	KeyPolicy       string
	Ed25519         bool          // try to import Ed25519, which AWS does not list
	WrappingKeyBits int           // 2048, 3072 or 4096; 0 is 4096
	DeletionWindow  time.Duration // whole days, 7 to 30; 0 is 30
	// Settle is how long a change may take to show, Poll how often to look; 0 is
	// 3 minutes and 2 seconds.
	Settle, Poll time.Duration

	// Quotas are figures a second for the account's own, by the name of a call, where
	// they are not AWS's usual ones (broker.Quotas).
	Quotas map[string]float64
	// Pace is what has been called in the account and region, PrimaryPace in that of
	// primary keys: calls wait for their quotas there. nil lets them go at once.
	Pace, PrimaryPace *pace.Place

	Now func() time.Time

	prices prices.Prices // read when it is opened
}

// day is AWS's unit of waiting periods.
const day = 24 * time.Hour

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	if c.Partition == "" {
		c.Partition = partitionOf(c.Region)
	}
	if c.WrappingKeyBits == 0 {
		c.WrappingKeyBits = 4096
	}
	if c.DeletionWindow == 0 {
		c.DeletionWindow = 30 * day
	}
	if c.Settle == 0 {
		c.Settle = 3 * time.Minute
	}
	if c.Poll == 0 {
		c.Poll = 2 * time.Second
	}
	if c.KeyPolicy == "" {
		c.KeyPolicy = accountPolicy
	}
	return c
}

// withCA is the config with the text of its CA file.
func (c Config) withCA() (Config, error) {
	if c.CAFile == "" || len(c.CAPEM) > 0 {
		return c, nil
	}
	var err error
	if c.CAPEM, err = os.ReadFile(c.CAFile); err != nil {
		return c, fmt.Errorf("read CA file: %w", err)
	}
	return c, nil
}

// stsEndpoint is where STS is; "" is AWS's own for the region.
func (c Config) stsEndpoint() string {
	if c.STSEndpoint == "" && !genuine(c.Endpoint, c.Region, c.Partition) {
		return c.Endpoint
	}
	return c.STSEndpoint
}
