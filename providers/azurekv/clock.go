package azurekv

import (
	"time"

	"github.com/keyferry/keyferry/broker"
)

func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// seenAt is the provider's clock where it said one.
func (p *Provider) seenAt(r broker.Receipt) time.Time {
	if !r.ServerTime.IsZero() {
		return r.ServerTime
	}
	return p.c.Now().UTC()
}
