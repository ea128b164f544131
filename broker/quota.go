package broker

import (
	"math"
	"slices"
)

// Quota is how often calls may be made, together, at one account and place: all
// targets there share it.
type Quota struct {
	Name      string   `json:"name"`  // one word for it; that of its call where it has one
	Calls     []string `json:"calls"` // that share it
	PerSecond float64  `json:"per_second"`
	Burst     int      `json:"burst"` // calls that may come at once, after none came for long
	// Weights are of calls that count for more than one.
	Weights map[string]int `json:"weights,omitempty"`
	// Config: the figure is the config's, not the provider's own.
	Config bool `json:"config"`
}

// Weight is how many a call counts for.
func (q Quota) Weight(call string) int { return max(1, q.Weights[call]) }

// EveryQuota is the word for all quotas of a target, in an override.
const EveryQuota = "all"

// Quotas are those with other figures a second: by the quota's name, or the name of
// one of its calls, which sets the whole quota; EveryQuota is for those that are not
// named. What may come at once follows the figure. Names that no quota has are nothing
// to it.
func Quotas(own []Quota, perSecond map[string]float64) []Quota {
	out := slices.Clone(own)
	for i, q := range out {
		figure, ok := perSecond[EveryQuota]
		for _, name := range append([]string{q.Name}, q.Calls...) {
			if named, there := perSecond[name]; there {
				figure, ok = named, true
				break
			}
		}
		if ok && figure > 0 {
			burst := math.Round(float64(q.Burst) * figure / q.PerSecond)
			out[i].PerSecond, out[i].Burst, out[i].Config = figure, int(max(1, min(burst, math.MaxInt32))), true
		}
	}
	return out
}

// TargetQuotas are those in force at a target.
func (b *Broker) TargetQuotas(target string) ([]Quota, error) {
	t, err := b.target(target)
	if err != nil {
		return nil, err
	}
	return t.Provider.Capabilities().Quotas, nil
}
