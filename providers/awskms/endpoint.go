package awskms

import (
	"net/netip"
	"net/url"
	"strings"
)

// partitionOf a region, by its prefix ("Regions and endpoints" of the AWS General
// Reference).
func partitionOf(region string) string {
	for _, p := range []struct{ prefix, partition string }{
		{"cn-", "aws-cn"},
		{"us-gov-", "aws-us-gov"},
		{"us-iso-", "aws-iso"},
		{"us-isob-", "aws-iso-b"},
		{"us-isof-", "aws-iso-f"},
		{"eu-isoe-", "aws-iso-e"},
		{"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}

// dnsSuffixes of a partition: the classic and, where there is one, the dual-stack.
func dnsSuffixes(partition string) []string {
	switch partition {
	case "aws-cn":
		return []string{"amazonaws.com.cn", "api.amazonwebservices.com.cn"}
	case "aws-iso":
		return []string{"c2s.ic.gov"}
	case "aws-iso-b":
		return []string{"sc2s.sgov.gov"}
	case "aws-iso-e":
		return []string{"cloud.adc-e.uk"}
	case "aws-iso-f":
		return []string{"csp.hci.ic.gov"}
	case "aws-eusc":
		return []string{"amazonaws.eu", "api.amazonwebservices.eu"}
	default:
		return []string{"amazonaws.com", "api.aws"}
	}
}

// kmsHosts are the hosts of KMS in a region; private-link endpoints are below
// them. Whole hosts and not amazonaws.com: customers of AWS have names, and
// certificates, under that one too (execute-api, S3 …).
func kmsHosts(region, partition string) []string {
	var hosts []string
	for _, suffix := range dnsSuffixes(partition) {
		hosts = append(hosts, "kms."+region+"."+suffix, "kms-fips."+region+"."+suffix)
	}
	classic := dnsSuffixes(partition)[0]
	return append(hosts, "kms."+region+".vpce."+classic, "kms-fips."+region+".vpce."+classic)
}

// stsHosts are the same for STS.
func stsHosts(region, partition string) []string {
	var hosts []string
	for _, suffix := range dnsSuffixes(partition) {
		hosts = append(hosts, "sts."+region+"."+suffix, "sts-fips."+region+"."+suffix)
	}
	classic := dnsSuffixes(partition)[0]
	return append(hosts, "sts."+classic, "sts."+region+".vpce."+classic)
}

// genuine reports whether an endpoint is AWS's own: "" (which the SDK fills in),
// or TLS to one of AWS's hosts for KMS or STS in the region.
func genuine(endpoint, region, partition string) bool {
	if endpoint == "" {
		return true
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" {
		return false
	}
	return under(u.Hostname(), kmsHosts(region, partition)) || under(u.Hostname(), stsHosts(region, partition))
}

// under reports whether a host is one of the suffixes or below one.
func under(host string, suffixes []string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, s := range suffixes {
		if host == s || strings.HasSuffix(host, "."+s) {
			return true
		}
	}
	return false
}

// chainMayReach reports whether the default credential chain may open a connection
// to host: AWS's own services, and metadata services of this machine (link-local,
// loopback, and the two IPv6 addresses of EC2 and EKS).
func chainMayReach(host, partition string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsLinkLocalUnicast() || netip.MustParsePrefix("fd00:ec2::/32").Contains(ip)
	}
	return host == "localhost" || under(host, append(dnsSuffixes(partition), "amazonaws.com", "signin.aws.amazon.com"))
}
