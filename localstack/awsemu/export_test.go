package awsemu

import "github.com/keyferry/keyferry/localstack/faults"

// What fuzz targets and vectors reach past the wire.

// Rates are the standard request quotas by action.
func Rates() map[string]float64 {
	rates := map[string]float64{}
	for _, a := range actions() {
		rates[a.name] = a.rate
	}
	return rates
}

// Idle is an emulator that serves nobody, as its admin API sees it.
func Idle(c Config) (faults.Subject, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	s, err := newServer(c)
	return subjectOf{s}, err
}
