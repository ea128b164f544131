package azurekv

import (
	_ "embed"

	"github.com/keyferry/keyferry/providers/internal/prices"
)

// priceFile is the provider's list, with its source and date.
//
//go:embed prices.json
var priceFile []byte

// withPrices reads the list, once.
func (c Config) withPrices() (Config, error) {
	var err error
	kept := c.Protection
	if c.Kind == ManagedHSM {
		kept = ManagedHSM
	}
	c.prices, err = prices.Read(priceFile, kept)
	return c, err
}
