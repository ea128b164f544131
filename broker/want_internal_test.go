package broker

import (
	"strings"
	"testing"
	"time"
)

func TestCheckValidTo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	year := 365 * 24 * time.Hour
	native := Capabilities{Service: "Cloud KMS", ValidTo: ValidToRule{Native: true, Max: year}}
	endless := Capabilities{Service: "Cloud KMS", ValidTo: ValidToRule{Native: true}}
	for name, c := range map[string]struct {
		caps    Capabilities
		validTo time.Time
		want    Kind
		says    string
	}{
		"no end":                   {native, time.Time{}, "", ""},
		"no end where none is":     {Capabilities{}, time.Time{}, "", ""},
		"soon":                     {native, now.Add(time.Second), "", ""},
		"the last moment":          {native, now.Add(year), "", ""},
		"a moment too far":         {native, now.Add(year + 1), Misuse, "365 days"},
		"far where that is no end": {endless, now.Add(100 * year), "", ""},
		"now":                      {native, now, Misuse, "past"},
		"in the past":              {native, now.Add(-time.Second), Misuse, "2026-03-01T11:59:59Z is in the past"},
		"where no end can be set":  {Capabilities{Service: "Other KMS"}, now.Add(time.Hour), Unsupported, "no expiry of its own"},
	} {
		err := checkValidTo("k", c.caps, c.validTo, now)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (KindOf(err) != c.want || err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v; want %s that says %q", name, err, c.want, c.says)
		}
	}
}

// A request fills in what its policy leaves open; it changes nothing.
func TestARequestDoesNotChangeItsPolicy(t *testing.T) {
	t.Parallel()
	policy := Policy{Name: "gold", Spec: AES256, Purpose: Encrypt, Retain: RetainToken}
	for name, c := range map[string]struct {
		policy Policy
		req    ImportRequest
		says   string
	}{
		"nothing asked":   {policy, ImportRequest{}, ""},
		"the same asked":  {policy, ImportRequest{Spec: AES256, Purpose: Encrypt, Retain: RetainToken}, ""},
		"left open":       {Policy{Name: "open"}, ImportRequest{Spec: RSA2048, Purpose: Sign, Retain: RetainNone}, ""},
		"another spec":    {policy, ImportRequest{Spec: AES128}, "spec aes-128 was asked, policy gold says aes-256"},
		"another purpose": {policy, ImportRequest{Purpose: Sign}, "purpose sign was asked, policy gold says encrypt"},
		"another retain":  {policy, ImportRequest{Retain: RetainNone}, "retain none was asked, policy gold says token"},
	} {
		w := want{name: "k", policy: c.policy, req: c.req}
		err := w.checkPolicy()
		if c.says == "" && err != nil || c.says != "" && (KindOf(err) != Misuse || err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
	}
}

func TestSpecPurposeAndRetain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		w       want
		purpose Purpose
		says    string
	}{
		"the default purpose":   {want{spec: RSA2048, retain: RetainToken}, Sign, ""},
		"a purpose it can have": {want{spec: RSA2048, purpose: Decrypt, retain: RetainNone}, Decrypt, ""},
		"one it cannot":         {want{spec: RSA2048, purpose: MAC, retain: RetainToken}, "", "cannot have the purpose mac, but sign, decrypt"},
		"no spec":               {want{retain: RetainToken}, "", "no key spec"},
		"an unknown spec":       {want{spec: "aes-512", retain: RetainToken}, "", "aes-512"},
		"an unknown retain":     {want{spec: AES256, retain: "maybe"}, "", `retain "maybe" is none of token, wrapped, sealed, none`},
	} {
		err := c.w.checkSpec()
		if c.says == "" && (err != nil || c.w.purpose != c.purpose) {
			t.Errorf("%s: %s, %v", name, c.w.purpose, err)
		}
		if c.says != "" && (KindOf(err) != Misuse || err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
	}
}

// What is said of a key that is there must be what is on record; what is not said is.
func TestARequestDoesNotChangeWhatIsSaidOfAKey(t *testing.T) {
	t.Parallel()
	key := Key{Owner: "payments", Tags: map[string]string{"team": "pay", "empty": ""}}
	for says, req := range map[string]ImportRequest{
		"":                                       {},
		" ":                                      {Owner: "payments", Tags: map[string]string{"team": "pay", "empty": ""}},
		"its owner is payments, legal was asked": {Owner: "legal"},
		`its tag team is "pay", "web" was asked`: {Tags: map[string]string{"team": "web"}},
		`its tag more is "", "" was asked`:       {Tags: map[string]string{"more": ""}},
		`its tag other is "", "1" was asked`:     {Owner: "payments", Tags: map[string]string{"other": "1", "team": "pay"}},
	} {
		if got := (want{req: req}).described(key); got != strings.TrimSpace(says) {
			t.Errorf("%q, want %q", got, says)
		}
	}
}
