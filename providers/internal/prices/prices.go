// Package prices reads what a provider lists as its prices, from a dated file of the
// adapter's.
package prices

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// List is such a file.
type List struct {
	From broker.PriceList `json:"from"`
	Rows []Row            `json:"prices"`
}

// Row is the price of keys of some specs, or of all that no row before names.
type Row struct {
	Protection string           `json:"protection"` // at which it holds; "" at each
	Specs      []broker.KeySpec `json:"specs"`      // empty: all
	broker.Price
}

// Prices are those at one protection level.
type Prices struct {
	From broker.PriceList
	rows []Row
}

// Read the file of an adapter.
func Read(file []byte, protection string) (Prices, error) {
	var list List
	if err := json.Unmarshal(file, &list); err != nil {
		return Prices{}, fmt.Errorf("read prices: %w", err)
	}
	return Prices{list.From, slices.DeleteFunc(list.Rows, func(r Row) bool { return r.Protection != "" && r.Protection != protection })}, nil
}

// For is the price of keys of a spec; zero where the file has none.
func (p Prices) For(s broker.KeySpec) broker.Price {
	for _, r := range p.rows {
		if len(r.Specs) == 0 || slices.Contains(r.Specs, s) {
			return r.Price
		}
	}
	return broker.Price{}
}
