package awsemu

import (
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
)

// Shared groups of cryptographic operations.
const (
	groupSymmetric = "Cryptographic operations (symmetric)"
	groupRSA       = "Cryptographic operations (RSA)"
	groupECC       = "Cryptographic operations (ECC)"
)

// cryptoGroup is the quota that cryptographic operations with a key share.
func cryptoGroup(s keySpec) string {
	switch s.class {
	case classRSA:
		return groupRSA
	case classEC, classEd:
		return groupECC
	default:
		return groupSymmetric
	}
}

// cryptoRate is its requests a second (Developer Guide, Request quotas, 2026).
func cryptoRate(group, region string) float64 {
	if group != groupSymmetric {
		return 1000
	}
	switch region {
	case "us-east-1", "us-west-2", "eu-west-1":
		return 100000
	case "us-east-2", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "eu-central-1", "eu-west-2":
		return 20000
	default:
		return 10000
	}
}

// throttle takes a request from a quota, if quotas are on.
func (c *call) throttle(group string, rate float64) error { return c.throttleAt(c.place, group, rate) }

// throttleAt is throttle in a region of choice.
func (c *call) throttleAt(p place, group string, rate float64) error {
	settings := c.settings()
	if !settings.Quotas {
		return nil
	}
	if other, ok := settings.Rates[group]; ok {
		rate = other
	}
	buckets := c.s.store.at(p).buckets
	b := buckets[group]
	if b == nil {
		b = &emu.Bucket{}
		buckets[group] = b
	}
	if !b.Take(rate, time.Second, c.now) {
		return refuse(codeThrottling, throttled)
	}
	return nil
}
