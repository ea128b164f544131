package azurekv_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/azurekv"
)

const someVault = "payments.vault.azure.net"

// genuineChallenge is as the service sends it.
const genuineChallenge = `Bearer authorization="https://login.windows.net/` + tenant + `", resource="https://vault.azure.net"`

// challenges are headers, and what they come to; "" is taken.
func challenges() map[string]struct {
	header string
	kind   broker.Kind
} {
	const login, vault = "https://login.microsoftonline.com/", "https://vault.azure.net"
	type c = struct {
		header string
		kind   broker.Kind
	}
	return map[string]c{
		"genuine":               {genuineChallenge, ""},
		"with a scope":          {`Bearer authorization="` + login + tenant + `" scope="` + vault + `/.default"`, ""},
		"without blanks":        {`Bearer authorization="` + login + tenant + `",resource="` + vault + `"`, ""},
		"in capitals":           {`Bearer authorization="` + login + strings.ToUpper(tenant) + `", resource="https://VAULT.azure.net"`, ""},
		"claims":                {`Bearer realm="", authorization_uri="https://x/y", error="insufficient_claims", claims="e30="`, ""},
		"another tenant":        {`Bearer authorization="` + login + otherTenant + `", resource="` + vault + `"`, broker.Tampered},
		"common tenant":         {`Bearer authorization="` + login + `common", resource="` + vault + `"`, broker.Tampered},
		"another resource":      {`Bearer authorization="` + login + tenant + `", resource="https://graph.microsoft.com"`, broker.Tampered},
		"a wider resource":      {`Bearer authorization="` + login + tenant + `", resource="https://azure.net"`, broker.Tampered},
		"a resource's port":     {`Bearer authorization="` + login + tenant + `", resource="` + vault + `:8443"`, broker.Tampered},
		"a scope beside":        {`Bearer authorization="` + login + tenant + `", resource="` + vault + `", scope="https://graph.microsoft.com/.default"`, broker.Tampered},
		"no tenant":             {`Bearer authorization="https://sts.example.org", resource="` + vault + `"`, broker.Rejected},
		"an empty tenant":       {`Bearer authorization="https://sts.example.org/", resource="` + vault + `"`, broker.Rejected},
		"no authority":          {`Bearer resource="` + vault + `"`, broker.Rejected},
		"plain HTTP":            {`Bearer authorization="http://sts.example.org/` + tenant + `", resource="` + vault + `"`, broker.Rejected},
		"no resource":           {`Bearer authorization="` + login + tenant + `"`, broker.Rejected},
		"not a URL":             {`Bearer authorization="::/` + tenant + `", resource="` + vault + `"`, broker.Rejected},
		"no quotes":             {`Bearer authorization=` + login + tenant + `, resource=` + vault, broker.Rejected},
		"twice":                 {`Bearer authorization="https://sts" authorization="` + login + tenant + `?a=b" resource="` + vault + `"`, broker.Rejected},
		"a member in a member":  {`Bearer authorization="https://sts", x=authorization="` + login + tenant + `", resource="` + vault + `"`, broker.Rejected},
		"basic":                 {`Basic realm="x"`, broker.Rejected},
		"nothing":               {`Bearer `, broker.Rejected},
		"an authority of hosts": {`Bearer authorization="https://a b/` + tenant + `", resource="` + vault + `"`, broker.Rejected},
		"too long":              {genuineChallenge + strings.Repeat(" ", 5000), broker.Rejected},
	}
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	for name, c := range challenges() {
		text, err := azurekv.ReadChallenge(tenant, someVault, c.header)
		if c.kind == "" && err != nil || c.kind != "" && inWords(t, err).Kind != c.kind {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	want := strings.Replace(genuineChallenge, `", resource`, `", resource`, 1)
	if got, err := azurekv.ReadChallenge(tenant, someVault, genuineChallenge); err != nil || got != want {
		t.Errorf("the SDK gets %q, %v", got, err)
	}
}

// TestHostileChallengeAsksForNoToken, sends none, and does not end the process.
func TestHostileChallengeAsksForNoToken(t *testing.T) {
	t.Parallel()
	for name, c := range challenges() {
		if c.kind == "" {
			continue
		}
		s := newBare(t, func(_ asking, w http.ResponseWriter) {
			w.Header().Set("WWW-Authenticate", c.header)
			w.WriteHeader(http.StatusUnauthorized)
		})
		source := &fixed{token: "token"}
		p := adapter(t, s, func(c *azurekv.Config) { c.Credentials.Tokens = source })
		_, err := p.Import(t.Context(), effect(broker.StepImport), s.importing())
		if e := inWords(t, err); e.Kind != broker.Tampered && e.Kind != broker.Rejected || e.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
		if source.asked() != 0 || len(s.asked()) != 1 || s.asked()[0].body != "" {
			t.Errorf("%s: %d tokens were asked for, sent was %v", name, source.asked(), s.asked())
		}
	}
}

// TestNoChallengeAtAll is a refusal like others; two at once are none.
func TestNoChallengeAtAll(t *testing.T) {
	t.Parallel()
	for n, kind := range map[int]broker.Kind{0: broker.Denied, 2: broker.Rejected} {
		s := newBare(t, func(_ asking, w http.ResponseWriter) {
			for range n {
				w.Header().Add("WWW-Authenticate", genuineChallenge)
			}
			w.WriteHeader(http.StatusUnauthorized)
		})
		if _, err := look(t, adapter(t, s), broker.Query{Key: new(s.ref())}); inWords(t, err).Kind != kind {
			t.Errorf("%d challenges: %v", n, err)
		}
	}
}

// TestClaims that a vault asks for are in the next token, and the call is sent with its
// body again: the first was refused.
func TestClaims(t *testing.T) {
	t.Parallel()
	for name, claims := range map[string]string{"claims": "eyJhIjoxfQ==", "no base64": "***"} {
		var s *script
		s = newScript(t, func(a asking, w http.ResponseWriter) {
			if n := len(s.authorised()); n == 1 {
				w.Header().Set("WWW-Authenticate", `Bearer realm="", error="insufficient_claims", claims="`+claims+`"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			saying(about(s.ref().ID, someVersion))(a, w)
		})
		source := &fixed{token: "token"}
		p := adapter(t, s, func(c *azurekv.Config) { c.Credentials.Tokens = source })
		_, err := p.Import(t.Context(), effect(broker.StepImport), s.importing())
		sent := s.asked()
		if name != "claims" {
			if err == nil || len(s.authorised()) != 1 {
				t.Errorf("%s: %v, sent %v", name, err, sent)
			}
			continue
		}
		if err != nil || source.asked() != 2 || source.claims != `{"a":1}` || len(sent) != 3 || sent[1].body != sent[2].body || sent[2].body == "" {
			t.Errorf("%v, %d tokens, claims %q, sent %v", err, source.asked(), source.claims, sent)
		}
	}
}

// TestClaimsOfNoToken: a challenge for them comes of a token only.
func TestClaimsOfNoToken(t *testing.T) {
	t.Parallel()
	s := newBare(t, func(_ asking, w http.ResponseWriter) {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_claims", claims="e30="`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	source := &fixed{token: "token"}
	p := adapter(t, s, func(c *azurekv.Config) { c.Credentials.Tokens = source })
	if _, err := p.Import(t.Context(), effect(broker.StepImport), s.importing()); inWords(t, err).Kind != broker.Rejected {
		t.Errorf("%v", err)
	}
	if source.asked() != 0 || len(s.asked()) != 1 {
		t.Errorf("%d tokens, sent %v", source.asked(), s.asked())
	}
}

// TestForeignToken: credentials that turn out to be another tenant's are not sent.
func TestForeignToken(t *testing.T) {
	t.Parallel()
	s := newScript(t, saying(nil))
	p := adapter(t, s, func(c *azurekv.Config) {
		c.Credentials.Tokens = &fixed{token: tokenOf(`{"tid":"` + otherTenant + `"}`)}
	})
	_, err := look(t, p, broker.Query{Key: new(s.ref())})
	if e := inWords(t, err); e.Kind != broker.Tampered || !strings.Contains(err.Error(), otherTenant) {
		t.Errorf("%v", err)
	}
	if len(s.authorised()) != 0 {
		t.Error("it was sent")
	}
}

// canonical is the only form that the SDK's parser, which panics over others, gets.
var canonical = regexp.MustCompile(`^Bearer (authorization="https://[0-9A-Za-z.:-]+/` + tenant + `", resource="https://(?i:vault\.azure\.net)"|` +
	`error="insufficient_claims", claims="[^"]+")$`)

func FuzzChallenge(f *testing.F) {
	for _, c := range challenges() {
		f.Add(c.header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		text, err := azurekv.ReadChallenge(tenant, someVault, header)
		if err == nil && !canonical.MatchString(text) {
			t.Errorf("%q becomes %q", header, text)
		}
	})
}
