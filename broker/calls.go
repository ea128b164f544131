package broker

// AddCalls are calls by name, together.
func AddCalls(some ...map[string]int) map[string]int {
	out := map[string]int{}
	for _, calls := range some {
		for name, n := range calls {
			if out[name] += n; out[name] == 0 {
				delete(out, name)
			}
		}
	}
	return out
}

// PriceList says of prices where they are from.
type PriceList struct {
	Source    string `json:"source"`     // page of the provider
	ValidFrom string `json:"valid_from"` // that the prices have been since at the latest
	Retrieved string `json:"retrieved"`
	Assumes   string `json:"assumes,omitempty"` // what is not known of them, and how it is counted here
}

// Price is what keys of a spec cost, in US dollars of the list, before tax, discounts
// and what is free.
type Price struct {
	Month float64 `json:"month"` // of a key, or version, for each month that it is there
	Call  float64 `json:"call"`  // of ten thousand calls
	Use   float64 `json:"use"`   // of ten thousand that use the key
}
