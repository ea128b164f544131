package broker

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// Forecast is what a batch of imports asks of its targets: calls, time and money.
type Forecast struct {
	Targets []TargetForecast `json:"targets"`
	// Token is what the token takes of it, the kinds of material that take longest first.
	Token []TokenForecast `json:"token"`
	// Seconds is how long it takes where nothing but quotas and the making of material holds
	// it up: targets run side by side, and beside the token; those of one account and place
	// share its quotas, and all keys the token.
	Seconds float64 `json:"seconds"`
	// Leaves is what the time does not count.
	Leaves string `json:"leaves"`
}

// TargetForecast is that of one target.
type TargetForecast struct {
	Target     string             `json:"target"`
	Account    string             `json:"account"`
	Place      string             `json:"place"`
	Keys       int                `json:"keys"`
	Proofs     map[ProofLevel]int `json:"proofs"` // keys by how they are proven
	Quotas     []QuotaForecast    `json:"quotas"` // those that take longest first
	Seconds    float64            `json:"seconds"`
	MonthUSD   float64            `json:"month_usd"`   // of all its keys, each month
	ImportUSD  float64            `json:"import_usd"`  // of the calls of this import
	ProofUSD   float64            `json:"proof_usd"`   // of those, what use the keys
	PriceList  PriceList          `json:"price_list"`  // where the prices are from
	SharedWith []string           `json:"shared_with"` // targets with the same quotas
}

// QuotaForecast is what is taken of one quota.
type QuotaForecast struct {
	Quota     string         `json:"quota"`
	PerSecond float64        `json:"per_second"`
	Calls     map[string]int `json:"calls"` // by name
	Seconds   float64        `json:"seconds"`
}

// leaves says what the time does not count.
func leaves(token []TokenForecast) string {
	var unknown []string
	for _, f := range token {
		if f.Imports == 0 {
			unknown = append(unknown, f.Kind())
		}
	}
	slices.Sort(unknown)
	wraps := "what the token takes to wrap"
	switch {
	case len(unknown) > 0 && len(unknown) == len(token):
		wraps = "the token's own time, for no such import is on record"
	case len(unknown) > 0:
		wraps = "what the token takes to make " + strings.Join(unknown, ", ") + ", for no such import is on record, and to wrap"
	}
	return wraps + ", what the network and the targets take to answer, and throttling by others"
}

// Forecast is that of what is planned. Keys that are there already ask for nothing; an
// import that goes on may ask for less than is said.
func (b *Broker) Forecast(ctx context.Context, plans []Intended) (Forecast, error) {
	token, err := b.tokenForecasts(ctx, plans)
	if err != nil {
		return Forecast{}, err
	}
	out := Forecast{Targets: []TargetForecast{}, Token: token, Leaves: leaves(token)}
	for _, f := range token {
		out.Seconds += f.Seconds
	}
	by := map[string][]planned{}
	for _, plan := range plans {
		if plan.Done {
			continue
		}
		for _, t := range plan.Targets {
			by[t.Target] = append(by[t.Target], planned{plan.Spec, plan.Purpose, t})
		}
	}
	load := map[string]map[string]float64{} // seconds by account and place, and quota
	for _, name := range slices.Sorted(maps.Keys(by)) {
		t, err := b.target(name)
		if err != nil {
			return Forecast{}, err
		}
		f := forecastAt(t.Provider.Capabilities(), by[name])
		out.Targets = append(out.Targets, f)
		if load[t.quotaPlace()] == nil {
			load[t.quotaPlace()] = map[string]float64{}
		}
		for _, q := range f.Quotas {
			load[t.quotaPlace()][q.Quota] += q.Seconds
			out.Seconds = max(out.Seconds, load[t.quotaPlace()][q.Quota])
		}
	}
	for i := range out.Targets {
		out.Targets[i].SharedWith = b.sharing(out.Targets[i].Target, by)
	}
	return out, nil
}

// planned is one key at one target.
type planned struct {
	spec    KeySpec
	purpose Purpose
	at      IntendedTarget
}

// sharing are the other targets of a batch with the same quotas.
func (b *Broker) sharing(name string, by map[string][]planned) []string {
	out := []string{}
	own, err := b.target(name)
	for _, other := range slices.Sorted(maps.Keys(by)) {
		if t, wrong := b.target(other); err == nil && wrong == nil && other != name && t.quotaPlace() == own.quotaPlace() {
			out = append(out, other)
		}
	}
	return out
}

// quotaPlace is what a target's quotas are counted by; its name where nobody said.
func (t Target) quotaPlace() string { return first(t.QuotaPlace, t.Name) }

// forecastAt is a pure function of what is planned at a target and what it says of
// itself.
func forecastAt(caps Capabilities, keys []planned) TargetForecast {
	f := TargetForecast{
		Target: keys[0].at.Target, Account: keys[0].at.Account, Place: keys[0].at.Place, Keys: len(keys), Proofs: map[ProofLevel]int{},
		Quotas: []QuotaForecast{}, PriceList: caps.Prices,
	}
	all, shared := AddCalls(caps.Once), map[Mechanism]bool{}
	for _, k := range keys {
		calls := caps.Specs[k.spec].Calls[k.purpose]
		if !shared[k.at.Mechanism] {
			calls, shared[k.at.Mechanism] = AddCalls(calls, caps.Shared), true
		}
		all = AddCalls(all, calls)
		f.Proofs[k.at.Proof]++
		f.price(caps.Specs[k.spec].Price, calls, k)
	}
	for _, q := range caps.Quotas {
		f.take(q, all)
	}
	slices.SortStableFunc(f.Quotas, func(a, b QuotaForecast) int { return cmp.Compare(b.Seconds, a.Seconds) })
	if len(f.Quotas) > 0 {
		f.Seconds = f.Quotas[0].Seconds
	}
	return f
}

// proofUses is how often a proof uses its key: when it was imported, and through what
// consumers get.
const proofUses = 2

func (f *TargetForecast) price(p Price, calls map[string]int, k planned) {
	const tenThousand = 10_000
	f.MonthUSD += p.Month
	uses, total := 0, 0
	for _, n := range calls {
		total += n
	}
	if k.at.Proof == ProofPublicKey || k.at.Proof == ProofMAC || k.at.Proof == ProofCipher {
		uses = proofUses
	}
	f.ProofUSD += float64(uses) * p.Use / tenThousand
	f.ImportUSD += (float64(total-uses)*p.Call + float64(uses)*p.Use) / tenThousand
}

// take what calls there are of a quota.
func (f *TargetForecast) take(q Quota, calls map[string]int) {
	out, weight := QuotaForecast{Quota: q.Name, PerSecond: q.PerSecond, Calls: map[string]int{}}, 0
	for _, name := range q.Calls {
		if n := calls[name]; n > 0 {
			out.Calls[name] = n
			weight += n * q.Weight(name)
		}
	}
	if weight == 0 || q.PerSecond <= 0 {
		return
	}
	out.Seconds = float64(weight) / q.PerSecond
	f.Quotas = append(f.Quotas, out)
}

// Took is the time as a duration.
func (f Forecast) Took() time.Duration { return time.Duration(f.Seconds * float64(time.Second)) }
