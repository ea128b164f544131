package awsemu

// What fuzz targets and vectors reach past the wire.

// Rates are the standard request quotas by action.
func Rates() map[string]float64 {
	rates := map[string]float64{}
	for _, a := range actions() {
		rates[a.name] = a.rate
	}
	return rates
}
