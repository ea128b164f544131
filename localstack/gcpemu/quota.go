package gcpemu

import (
	"strings"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
)

// group is a quota: requests a minute by project and location.
type group string

// The groups, after Google's metrics of 2026 (Cloud KMS, Quotas).
const (
	reads    group = "read"
	write    group = "write"
	software group = "software"
	hsm      group = "hsm"
)

// rate is how many requests a minute a group lets through. Google grants them by
// project and asks not to rely on numbers: these are the fixed ones of before.
func (g group) rate() float64 {
	return map[group]float64{reads: 600, write: 60, software: 60000, hsm: 30000}[g]
}

// throttle takes a request from the quota of its action, if quotas are on.
func (c *call) throttle(about string) error { return c.take(c.action.group, about) }

func (c *call) take(g group, about string) error {
	if !c.settings().Quotas || g == "" {
		return nil
	}
	rate, ok := c.settings().Rates[string(g)]
	if !ok {
		rate = g.rate()
	}
	place := about
	if parts := strings.SplitN(about, "/", 5); len(parts) > 4 {
		place = strings.Join(parts[:4], "/")
	}
	b := c.s.store.buckets[string(g)+" "+place]
	if b == nil {
		b = &emu.Bucket{}
		c.s.store.buckets[string(g)+" "+place] = b
	}
	if !b.Take(rate, time.Minute, c.now) {
		return exhausted("cloudkms.googleapis.com/" + string(g) + "_usage")
	}
	return nil
}
