package awsemu

import "time"

// bucket is a token bucket that holds one second's requests.
type bucket struct {
	tokens float64
	at     time.Time
}

// take removes one token, after refilling; false if there is none.
func (b *bucket) take(rate float64, now time.Time) bool {
	size := max(rate, 1)
	if b.at.IsZero() {
		b.tokens = size
	} else if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = min(size, b.tokens+passed*rate)
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

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
		b = &bucket{}
		buckets[group] = b
	}
	if !b.take(rate, c.now) {
		return refuse(codeThrottling, throttled)
	}
	return nil
}
