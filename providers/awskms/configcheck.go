package awskms

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
)

// check names the field that is wrong; its errors are Misuse.
func (c Config) check() error {
	refuse := func(field, format string, args ...any) error {
		return &broker.Error{
			Kind: broker.Misuse, Op: "open AWS target", Object: c.Account + "/" + c.Region,
			Cause: fmt.Errorf(field+": "+format, args...),
		}
	}
	switch {
	case !regexp.MustCompile(`^[0-9]{12}$`).MatchString(c.Account):
		return refuse("account", "%q is not twelve digits", c.Account)
	case !isRegion(c.Region):
		return refuse("region", "%q is not the name of a region", c.Region)
	case c.Now == nil:
		return refuse("now", "a clock is required")
	case c.WrappingKeyBits != 2048 && c.WrappingKeyBits != 3072 && c.WrappingKeyBits != 4096:
		return refuse("wrapping key bits", "%d is none of 2048, 3072, 4096", c.WrappingKeyBits)
	case (c.CAFile != "" || len(c.CAPEM) > 0) && c.RootCAs != nil:
		return refuse("ca", "a file and a pool exclude each other")
	}
	if _, err := windowDays(c.DeletionWindow); err != nil {
		return refuse("deletion window", "%w", err)
	}
	if err := c.checkRoles(); err != nil {
		return refuse("role", "%w", err)
	}
	if err := c.checkPrimary(); err != nil {
		return refuse("primary region", "%w", err)
	}
	if _, err := endpoint.ParseProxy(c.Proxy); err != nil {
		return refuse("proxy", "%w", err)
	}
	if err := c.checkEndpoints(); err != nil {
		return refuse("endpoint", "%w", err)
	}
	return nil
}

// isRegion reports whether a name has a region's form.
func isRegion(name string) bool {
	return regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]+$`).MatchString(name)
}

// checkRoles demands roles of the account, and that the one which proves is another
// than the one which imports.
func (c Config) checkRoles() error {
	for _, role := range []string{c.RoleARN, c.ProofRoleARN} {
		if role == "" {
			continue
		}
		parsed, err := arn.Parse(role)
		switch {
		case err != nil:
			return fmt.Errorf("parse %q: %w", role, err)
		case parsed.AccountID != c.Account || parsed.Partition != c.Partition:
			return fmt.Errorf("%s is not in account %s of partition %s", role, c.Account, c.Partition)
		}
	}
	if c.ProofRoleARN != "" && c.ProofRoleARN == c.RoleARN {
		return fmt.Errorf("%s is to import and to prove, which parts nothing: leave the proof role out", c.RoleARN)
	}
	return nil
}

// checkEndpoints demands plain URLs, and genuine ones in production.
func (c Config) checkEndpoints() error {
	return errors.Join(
		c.checkEndpoint(c.Endpoint, c.Region), c.checkEndpoint(c.STSEndpoint, c.Region), c.checkEndpoint(c.PrimaryEndpoint, c.PrimaryRegion),
	)
}

func (c Config) checkEndpoint(raw, region string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fmt.Errorf("parse %q: %w", raw, err)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return fmt.Errorf("%q is not a URL like https://host", raw)
	case u.User != nil, u.RawQuery != "", u.Fragment != "", u.Path != "" && u.Path != "/":
		return fmt.Errorf("%q says more than scheme, host and port", raw)
	case c.Production && !genuine(raw, region, c.Partition):
		return fmt.Errorf("%q is not an AWS endpoint for %s, which production requires: https and a host under one of %v",
			raw, region, append(kmsHosts(region, c.Partition), stsHosts(region, c.Partition)...))
	}
	return nil
}
