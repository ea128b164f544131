package awskms

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyferry/keyferry/broker"
)

// multiRegionPrefix begins the id of every multi-Region key, and of no other
// (Developer Guide, "Multi-Region keys in AWS KMS").
const multiRegionPrefix = "mrk-"

// checkPrimary holds what the config says of the primaries' region.
func (c Config) checkPrimary() error {
	switch {
	case c.PrimaryRegion == "" && c.PrimaryEndpoint != "":
		return fmt.Errorf("an endpoint is given for it, and no region")
	case c.PrimaryRegion == "":
		return nil
	case !isRegion(c.PrimaryRegion):
		return fmt.Errorf("%q is not the name of a region", c.PrimaryRegion)
	case c.PrimaryRegion == c.Region:
		return fmt.Errorf("a replica is in another region than its primary, and both are %s", c.Region)
	case partitionOf(c.PrimaryRegion) != partitionOf(c.Region):
		return fmt.Errorf("%s is in another partition than %s", c.PrimaryRegion, c.Region)
	case c.Replicated:
		return fmt.Errorf("keys here are replicas of keys in %s, which have no replicas themselves", c.PrimaryRegion)
	}
	return nil
}

// primary is a client for the region of a primary key of ours, with the same
// credentials and rules, and that region.
func (p *Provider) primary(c call, keyARN string) (*kms.Client, string, error) {
	parsed, err := arn.Parse(keyARN)
	if err != nil {
		return nil, "", p.foreign(keyARN, fmt.Errorf("parse ARN: %w", err))
	}
	region := parsed.Region
	if err := p.ourIn(region, keyARN); err != nil {
		return nil, "", err
	}
	switch {
	case !strings.HasPrefix(parsed.Resource, "key/"+multiRegionPrefix):
		return nil, "", refuse(broker.Misuse, c.verb, keyARN, "it is a key of one region: only one that was made for replicas can have any")
	case region == p.c.Region:
		return nil, "", refuse(broker.Misuse, c.verb, keyARN, "a replica is in another region than its primary")
	case p.c.PrimaryRegion != "" && region != p.c.PrimaryRegion:
		return nil, "", refuse(broker.Misuse, c.verb, keyARN, "keys here are replicas of keys in %s", p.c.PrimaryRegion)
	}
	url, err := p.c.endpointIn(region)
	if err != nil {
		return nil, "", refuse(broker.Unsupported, c.verb, keyARN, "%w", err)
	}
	return p.client(p.as.importing, region, url, p.there), region, nil
}

// endpointIn is where KMS is in another region: what the config says, AWS's own of the
// same kind where this target's is AWS's own, and else the same, because an emulator
// serves every region.
func (c Config) endpointIn(region string) (string, error) {
	switch {
	case region == c.PrimaryRegion && c.PrimaryEndpoint != "":
		return c.PrimaryEndpoint, nil
	case c.Endpoint == "", !genuine(c.Endpoint, c.Region, c.Partition):
		return c.Endpoint, nil
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return "", fmt.Errorf("parse %q: %w", c.Endpoint, err)
	}
	kind := slices.Index(kmsHosts(c.Region, c.Partition), strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")))
	if kind < 0 {
		return "", fmt.Errorf("%s serves %s alone: the target must say where KMS is in %s", u.Hostname(), c.Region, region)
	}
	return "https://" + kmsHosts(region, c.Partition)[kind], nil
}
