package gcpkms

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
	c.prices, err = prices.Read(priceFile, c.Protection)
	return c, err
}
