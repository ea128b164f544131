package main

import (
	"maps"

	"github.com/keyferry/keyferry/broker/config"
	"github.com/keyferry/keyferry/providers/pace"
)

// paces are the accounts and places that targets are at: what was called there, which
// all targets of one share.
type paces map[string]*pace.Place

func (p *program) newPaces(c *config.Config) paces {
	out := paces{}
	for _, t := range c.Targets {
		if at := t.QuotaPlace(); out[at] == nil {
			out[at] = pace.New(p.now)
		}
	}
	return out
}

// at is where a target is; nil where targets are not opened, or there is no target.
func (p paces) at(t config.Target) *pace.Place { return p[t.QuotaPlace()] }

// quotasOf is what the config says of a target's quotas: all that targets at its
// account and place have said.
func quotasOf(a asked) map[string]float64 {
	out := map[string]float64{}
	for _, t := range a.config.Targets {
		if config.SharesQuotas(t, a.Target) {
			maps.Copy(out, t.Quotas)
		}
	}
	return out
}
