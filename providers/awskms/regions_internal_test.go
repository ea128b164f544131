package awskms

import (
	"strings"
	"testing"
)

// TestEndpointIn: the primary's region is reached as this one is: AWS's own by AWS's
// own of the same kind, an emulator by the emulator.
func TestEndpointIn(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"":                                    "",
		"https://kms.eu-west-1.amazonaws.com": "https://kms.us-east-1.amazonaws.com",
		"https://KMS-FIPS.eu-west-1.amazonaws.com.":           "https://kms-fips.us-east-1.amazonaws.com",
		"https://kms.eu-west-1.api.aws":                       "https://kms.us-east-1.api.aws",
		"http://127.0.0.1:4566":                               "http://127.0.0.1:4566",
		"https://kms.example.org":                             "https://kms.example.org",
		"https://vpce-0a1b.kms.eu-west-1.vpce.amazonaws.com":  "refused",
		"https://sts.eu-west-1.amazonaws.com":                 "refused",
		"https://something.kms-fips.eu-west-1.amazonaws.com/": "refused",
	} {
		c := Config{Region: "eu-west-1", Endpoint: endpoint}.withDefaults()
		got, err := c.endpointIn("us-east-1")
		if want == "refused" {
			if err == nil || !strings.Contains(err.Error(), "serves eu-west-1 alone") {
				t.Errorf("%q: %q, %v", endpoint, got, err)
			}
		} else if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", endpoint, got, err, want)
		}
		c.PrimaryRegion, c.PrimaryEndpoint = "us-east-1", "https://vpce-9.kms.us-east-1.vpce.amazonaws.com"
		if got, err := c.endpointIn("us-east-1"); err != nil || got != c.PrimaryEndpoint {
			t.Errorf("%q: %q, %v, and the config says %q", endpoint, got, err, c.PrimaryEndpoint)
		}
	}
}
