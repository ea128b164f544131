package broker

import (
	"math"
	"testing"
)

// loaded is a place where a key takes two fetches, one of which is its proof, and a
// weighty copy.
func loaded() Capabilities {
	return Capabilities{
		Once: map[string]int{"Who": 1}, Shared: map[string]int{"Job": 1, "Read": -1},
		Quotas: []Quota{
			{Name: "Fetch", Calls: []string{"Fetch"}, PerSecond: 1, Burst: 1},
			{Name: "write", Calls: []string{"Job", "Copy"}, PerSecond: 5, Burst: 5, Weights: map[string]int{"Copy": 2}},
			{Name: "idle", Calls: []string{"Rename"}, PerSecond: 5, Burst: 5},
			{Name: "Read", Calls: []string{"Read", "Who"}, PerSecond: 100, Burst: 100},
		},
		Prices: PriceList{Source: "s", ValidFrom: "2026-01-01"},
		Specs: map[KeySpec]SpecCapability{
			AES256:  {Calls: map[Purpose]map[string]int{Encrypt: {"Fetch": 2, "Copy": 1, "Read": 10}}, Price: Price{Month: 1, Call: 1, Use: 2}},
			HMAC256: {Calls: map[Purpose]map[string]int{MAC: {"Fetch": 1, "Copy": 1, "Read": 10, "Mac": 2}}, Price: Price{Month: 2, Call: 1, Use: 2}},
		},
	}
}

func TestForecastAtATarget(t *testing.T) {
	t.Parallel()
	at := IntendedTarget{Target: "cloud", Account: "a", Mechanism: OAEPSHA256, Proof: ProofReimport}
	mac := at
	mac.Proof = ProofMAC
	var keys []planned
	for range 10 {
		keys = append(keys, planned{AES256, Encrypt, at}, planned{HMAC256, MAC, mac})
	}
	f := forecastAt(loaded(), keys)
	seconds := map[string]float64{}
	for _, q := range f.Quotas {
		seconds[q.Quota] = q.Seconds
	}
	for quota, want := range map[string]float64{"Fetch": 30, "write": (20*2 + 1) / 5.0, "Read": (200 - 1 + 1) / 100.0} {
		if math.Abs(seconds[quota]-want) > 1e-9 {
			t.Errorf("%s takes %g s, want %g", quota, seconds[quota], want)
		}
	}
	if len(seconds) != 3 || f.Seconds != 30 || f.Quotas[0].Quota != "Fetch" || f.Quotas[0].Calls["Fetch"] != 30 {
		t.Errorf("it is %+v", f)
	}
	if f.Keys != 20 || f.Proofs[ProofMAC] != 10 || f.Proofs[ProofReimport] != 10 || f.MonthUSD != 30 || f.PriceList.ValidFrom != "2026-01-01" {
		t.Errorf("it is %+v", f)
	}
	// 10 keys with 13 calls, 10 with 14 of which two use the key, and the job for a read.
	if proof, all := 10*2*2/1e4, (10*13+10*(14-2))/1e4+10*2*2/1e4; math.Abs(f.ProofUSD-proof) > 1e-9 || math.Abs(f.ImportUSD-all) > 1e-9 {
		t.Errorf("it costs %g, of which proofs %g; want %g and %g", f.ImportUSD, f.ProofUSD, all, proof)
	}
}
