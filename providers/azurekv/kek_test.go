package azurekv_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/azurekv"
)

func (s *script) wrapping(kept string) broker.WrappingKeyIn {
	return broker.WrappingKeyIn{Key: s.ref(), Mechanism: broker.KWPSHA1, Kept: kept}
}

// TestMakesAKEK: what is asked for is RSA-HSM, for import alone, of the size and life of
// the config, with the effect's tag.
func TestMakesAKEK(t *testing.T) {
	t.Parallel()
	var s *script
	now := time.Date(2027, 1, 31, 12, 0, 0, 123, time.UTC)
	s = newScript(t, func(_ asking, w http.ResponseWriter) {
		_, _ = io.WriteString(w, kekBundle(s.kek()).with(object{"attributes": object{"exp": now.Add(20 * 24 * time.Hour).Unix()}}).String())
	})
	p := adapter(t, s, func(c *azurekv.Config) {
		c.WrappingKeyBits, c.KEKValidFor, c.Now = 2048, 20*24*time.Hour, func() time.Time { return now }
	})
	e := effect(broker.StepFetch)
	w, err := p.WrappingKey(t.Context(), e, s.wrapping(""))
	if err != nil {
		t.Fatal(err)
	}
	private, _ := pairs()
	want, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	if w.Ref != s.kek() || string(w.Token) != s.kek() || !bytes.Equal(w.PublicKey, want) || w.SingleUse || w.Mechanism != broker.KWPSHA1 {
		t.Errorf("%+v", w)
	}
	if !strings.Contains(w.Source, s.kek()) || !strings.Contains(w.Source, "made by operation "+e.Operation) || w.ExpiresAt.IsZero() || w.Receipt.RequestID != "request-1" {
		t.Errorf("source %q, until %s, receipt %+v", w.Source, w.ExpiresAt, w.Receipt)
	}
	sent := s.asked()[len(s.asked())-1]
	const body = `{"attributes":{"enabled":true,"exp":1803124800},"key_ops":["import"],"key_size":2048,"kty":"RSA-HSM",` +
		`"tags":{"keyferry-effect":"EFFECT","keyferry-operation":"20270131T120000-0a1b2c"}}`
	if sent.path != "/keys/keyferry-kek/create" || sent.body != strings.Replace(body, "EFFECT", e.ID(), 1) {
		t.Errorf("sent %s: %s", sent.path, sent.body)
	}
}

// TestKEKsThatAreNone: Rejected where it might leak what is wrapped under it, Expired
// where another will do.
func TestKEKsThatAreNone(t *testing.T) {
	t.Parallel()
	past, soon := time.Now().Add(-time.Minute).Unix(), time.Now().Add(time.Hour).Unix()
	for name, x := range map[string]struct {
		key, attributes object
		kind            broker.Kind
	}{
		"as it should be":    {object{}, object{}, ""},
		"without an end":     {object{}, object{"exp": nil}, ""},
		"in software":        {object{"kty": "RSA"}, object{}, broker.Rejected},
		"no type":            {object{"kty": nil}, object{}, broker.Rejected},
		"a curve":            {object{"kty": "EC-HSM"}, object{}, broker.Rejected},
		"wrapping too":       {object{"key_ops": []string{"import", "wrapKey"}}, object{}, broker.Rejected},
		"import twice":       {object{"key_ops": []string{"import", "import"}}, object{}, broker.Rejected},
		"unwrapping alone":   {object{"key_ops": []string{"unwrapKey"}}, object{}, broker.Rejected},
		"no operations":      {object{"key_ops": []string{}}, object{}, broker.Rejected},
		"operations unsaid":  {object{"key_ops": nil}, object{}, broker.Rejected},
		"exportable":         {object{}, object{"exportable": true}, broker.Rejected},
		"disabled":           {object{}, object{"enabled": false}, broker.Expired},
		"ended":              {object{}, object{"exp": past}, broker.Expired},
		"early":              {object{}, object{"nbf": soon}, broker.Expired},
		"no modulus":         {object{"n": nil}, object{}, broker.Unavailable},
		"an endless modulus": {object{"n": strings.Repeat("A", 40000)}, object{}, broker.Unavailable},
		"no exponent":        {object{"e": nil}, object{}, broker.Unavailable},
		"an endless one":     {object{"e": strings.Repeat("_", 40)}, object{}, broker.Unavailable},
	} {
		var s *script
		s = newScript(t, func(_ asking, w http.ResponseWriter) {
			b := kekBundle(s.kek())
			b["key"], b["attributes"] = b["key"].(object).with(x.key), b["attributes"].(object).with(x.attributes)
			_, _ = io.WriteString(w, b.String())
		})
		p := adapter(t, s, func(c *azurekv.Config) { c.WrappingKeyBits = 2048 })
		_, fetched := p.WrappingKey(t.Context(), effect(broker.StepFetch), s.wrapping(s.kek()))
		_, made := p.WrappingKey(t.Context(), effect(broker.StepFetch), s.wrapping(""))
		kinds := map[string]broker.Kind{"fetched": x.kind, "made": x.kind}
		if x.kind == broker.Unavailable {
			kinds["made"] = broker.Unclear
		}
		for how, err := range map[string]error{"fetched": fetched, "made": made} {
			if kind := kinds[how]; kind == "" && err != nil || kind != "" && inWords(t, err).Kind != kind {
				t.Errorf("%s, %s: %v", name, how, err)
			}
		}
	}
}

// TestKEKOfAnotherSize than was asked for is not used; one that is kept may be.
func TestKEKOfAnotherSize(t *testing.T) {
	t.Parallel()
	var s *script
	s = newScript(t, func(_ asking, w http.ResponseWriter) { _, _ = io.WriteString(w, kekBundle(s.kek()).String()) })
	p := adapter(t, s) // 4096
	if _, err := p.WrappingKey(t.Context(), effect(broker.StepFetch), s.wrapping("")); inWords(t, err).Kind != broker.Rejected {
		t.Errorf("made: %v", err)
	}
	if _, err := p.WrappingKey(t.Context(), effect(broker.StepFetch), s.wrapping(s.kek())); err != nil {
		t.Errorf("kept: %v", err)
	}
}

// TestFetchesJustTheNamedKEK: one request, for its version; nothing by name or tag.
func TestFetchesJustTheNamedKEK(t *testing.T) {
	t.Parallel()
	var s *script
	s = newScript(t, func(_ asking, w http.ResponseWriter) { _, _ = io.WriteString(w, kekBundle(s.kek()).String()) })
	p := adapter(t, s)
	w, err := p.WrappingKey(t.Context(), effect(broker.StepFetch), s.wrapping(strings.ToUpper(s.kek())))
	if err != nil || w.Ref != s.kek() || strings.Contains(w.Source, "made by") {
		t.Errorf("%+v, %v", w, err)
	}
	if sent := s.asked(); len(sent) != 2 || sent[1].path != "/keys/keyferry-kek/"+kekVersion {
		t.Errorf("sent %v", sent)
	}
	for kept, kind := range map[string]broker.Kind{
		s.URL + "/keys/keyferry-kek": broker.Misuse, "garbage": broker.Tampered, strings.Replace(s.kek(), "//test.", "//evil.", 1): broker.Tampered,
	} {
		if _, err := p.WrappingKey(t.Context(), effect(broker.StepFetch), s.wrapping(kept)); inWords(t, err).Kind != kind {
			t.Errorf("%s: %v", kept, err)
		}
	}
	in := s.wrapping("")
	in.Mechanism = broker.OAEPSHA256
	if _, err := p.WrappingKey(t.Context(), effect(broker.StepFetch), in); inWords(t, err).Kind != broker.Unsupported {
		t.Errorf("another mechanism: %v", err)
	}
	if n := len(s.asked()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// TestImportRequest is, member for member, what Microsoft's BYOK page documents.
func TestImportRequest(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		change func(*broker.ImportIn)
		config func(*azurekv.Config)
		key    object
		attrs  object
	}{
		"EC": {func(*broker.ImportIn) {}, nil, object{"kty": "EC-HSM", "crv": "P-256", "key_ops": []string{"sign", "verify"}}, object{"enabled": true}},
		"RSA that decrypts": {
			func(in *broker.ImportIn) {
				in.Spec, in.Of.Spec, in.Of.Purpose = broker.RSA3072, broker.RSA3072, broker.Decrypt
			},
			nil,
			object{"kty": "RSA-HSM", "key_ops": []string{"encrypt", "decrypt", "wrapKey", "unwrapKey"}},
			object{"enabled": true},
		},
		"RSA in software": {
			func(in *broker.ImportIn) { in.Spec, in.Of.Spec = broker.RSA2048, broker.RSA2048 },
			func(c *azurekv.Config) { c.Protection = azurekv.Software },
			object{"kty": "RSA", "key_ops": []string{"sign", "verify"}},
			object{"enabled": true},
		},
		"in software, for a time": {
			func(in *broker.ImportIn) {
				in.ValidFrom, in.ValidTo = time.Unix(1900000000, 5), time.Unix(2000000000, 5)
			},
			func(c *azurekv.Config) { c.Protection = azurekv.Software },
			object{"kty": "EC", "crv": "P-256", "key_ops": []string{"sign", "verify"}},
			object{"enabled": true, "nbf": 1900000000, "exp": 2000000000},
		},
	} {
		s := newScript(t, failing(http.StatusServiceUnavailable, "", "", ""))
		p, in, e := adapter(t, s, func(c *azurekv.Config) {
			if x.config != nil {
				x.config(c)
			}
		}), s.importing(), effect(broker.StepImport)
		x.change(&in)
		if _, err := p.Import(t.Context(), e, in); inWords(t, err).Kind != broker.Unclear {
			t.Errorf("%s: %v", name, err)
		}
		blob, err := azurekv.NewBlob(s.kek(), in.Wrapped)
		if err != nil {
			t.Fatal(err)
		}
		want := object{
			"key": x.key.with(object{"key_hsm": base64url(blob)}), "attributes": x.attrs,
			"tags": object{
				"team": "payments", "keyferry-key": "payments/db", "keyferry-key-id": "0123456789abcdef", "keyferry-version": "1",
				"keyferry-effect": e.ID(), "keyferry-operation": e.Operation, "keyferry-spec": string(in.Spec),
			},
		}
		sent := s.asked()
		if last := sent[len(sent)-1]; len(sent) != 2 || last.path != "/keys/payments-db" || last.body != want.String() {
			t.Errorf("%s: sent %s: %s\nwant %s", name, last.path, last.body, want)
		}
	}
}

// TestImportsThatAreNotSent.
func TestImportsThatAreNotSent(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(http.StatusTeapot, "", "", ""))
	p := adapter(t, s)
	for name, x := range map[string]struct {
		change func(*broker.ImportIn)
		kind   broker.Kind
		says   string
	}{
		"existing":       {func(in *broker.ImportIn) { in.Kind = broker.ImportExisting }, broker.Unsupported, "another version"},
		"restore":        {func(in *broker.ImportIn) { in.Kind = broker.ImportRestore }, broker.Unsupported, "az keyvault key recover --name payments-db"},
		"another method": {func(in *broker.ImportIn) { in.Mechanism = broker.KWPSHA256 }, broker.Unsupported, "not "},
		"no token":       {func(in *broker.ImportIn) { in.Token = nil }, broker.Rejected, "KEK"},
		"a whole key":    {func(in *broker.ImportIn) { in.Token = []byte(s.URL + "/keys/keyferry-kek") }, broker.Rejected, "KEK"},
		"another's KEK":  {func(in *broker.ImportIn) { in.Token = []byte("https://evil/keys/keyferry-kek/" + kekVersion) }, broker.Rejected, "KEK"},
		"nothing":        {func(in *broker.ImportIn) { in.Wrapped = nil }, broker.Rejected, "bytes"},
		"too much":       {func(in *broker.ImportIn) { in.Wrapped = make([]byte, 20000) }, broker.Rejected, "bytes"},
		"past its end":   {func(in *broker.ImportIn) { in.ValidTo = time.Unix(1e9, 0) }, broker.Rejected, "past its end"},
		"never valid":    {func(in *broker.ImportIn) { in.ValidTo = time.Now().Add(time.Hour); in.ValidFrom = in.ValidTo }, broker.Rejected, "past its end"},
		"another spec":   {func(in *broker.ImportIn) { in.Of.Spec = broker.ECP384 }, broker.Misuse, "prepared"},
		"AES in a vault": {func(in *broker.ImportIn) {
			in.Spec, in.Of.Spec = broker.AES256, broker.AES256
			in.Wrapped = make([]byte, 256+40)
		}, broker.Unsupported, "Managed HSM"},
		"another length": {func(in *broker.ImportIn) {
			in.Spec, in.Of.Spec = broker.AES256, broker.AES256
			in.Wrapped = make([]byte, 256+24)
		}, broker.Rejected, "aes-256"},
		"HMAC": {func(in *broker.ImportIn) {
			in.Spec, in.Of.Spec = broker.HMAC256, broker.HMAC256
			in.Wrapped = make([]byte, 256+40)
		}, broker.Unsupported, "HMAC"},
		"agreement":      {func(in *broker.ImportIn) { in.Of.Purpose = broker.Agree }, broker.Unsupported, "agree"},
		"no purpose":     {func(in *broker.ImportIn) { in.Of.Purpose = "" }, broker.Unsupported, "no such key"},
		"a replica":      {func(in *broker.ImportIn) { in.Of.Replica = &in.Key }, broker.Unsupported, "replicas"},
		"an algorithm":   {func(in *broker.ImportIn) { in.Of.Algorithm = "PS512" }, broker.Unsupported, "PS512"},
		"the KEKs' name": {func(in *broker.ImportIn) { in.Key.ID = s.URL + "/keys/Keyferry-KEK" }, broker.Misuse, "KEKs"},
		"another's key":  {func(in *broker.ImportIn) { in.Key.ID = "https://evil.vault.localhost/keys/x" }, broker.Tampered, "another vault"},
		"a version":      {func(in *broker.ImportIn) { in.Key.ID += "/" + someVersion }, broker.Misuse, "version"},
		"a tag of ours":  {func(in *broker.ImportIn) { in.Of.Tags = map[string]string{"Keyferry-effect": "x"} }, broker.Misuse, "broker's"},
		"too many tags":  {func(in *broker.ImportIn) { in.Of.Tags = tags(10) }, broker.Misuse, "there is room for 9"},
		"a tag too long": {func(in *broker.ImportIn) { in.Of.Tags = map[string]string{"a": strings.Repeat("x", 257)} }, broker.Misuse, "256"},
		"a nameless tag": {func(in *broker.ImportIn) { in.Of.Tags = map[string]string{"": "x"} }, broker.Misuse, "256"},
	} {
		in := s.importing()
		x.change(&in)
		_, err := p.Import(t.Context(), effect(broker.StepImport), in)
		if err == nil || inWords(t, err).Kind != x.kind || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(s.asked()) > 0 {
		t.Errorf("sent %v", s.asked())
	}
}

func tags(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[string(rune('a'+i))] = "x"
	}
	return out
}

// TestTagsAtTheLimit: fifteen in all, in 256 characters, which are not bytes. A name
// that is too long for a tag is left out.
func TestTagsAtTheLimit(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(http.StatusServiceUnavailable, "", "", ""))
	in := s.importing()
	in.Of.Tags = tags(8)
	in.Of.Tags[strings.Repeat("ü", 256)] = strings.Repeat("ß", 256)
	in.Of.Name = strings.Repeat("n", 257)
	_, err := adapter(t, s).Import(t.Context(), effect(broker.StepImport), in)
	if inWords(t, err).Kind != broker.Unclear {
		t.Fatal(err)
	}
	var sent struct {
		Tags map[string]string `json:"tags"`
	}
	if err := json.Unmarshal([]byte(s.asked()[1].body), &sent); err != nil || len(sent.Tags) != 14 || sent.Tags["keyferry-key"] != "" {
		t.Errorf("%d tags, %v: %v", len(sent.Tags), err, maps.Clone(sent.Tags))
	}
}

// TestPreparesNothing: a name's place is said, nothing is sent.
func TestPreparesNothing(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(http.StatusTeapot, "", "", ""))
	p := adapter(t, s)
	in := ecKey()
	in.RemoteName = "Payments-DB"
	made, err := p.Prepare(t.Context(), effect(broker.StepPrepare), in)
	if err != nil || made.Key != s.ref() || made.Receipt.Endpoint == "" {
		t.Errorf("%+v, %v", made, err)
	}
	for name, kind := range map[string]broker.Kind{"": broker.Misuse, "a/b": broker.Misuse, strings.Repeat("x", 128): broker.Misuse, "keyferry-kek": broker.Misuse} {
		in.RemoteName = name
		if _, err := p.Prepare(t.Context(), effect(broker.StepPrepare), in); inWords(t, err).Kind != kind {
			t.Errorf("%q: %v", name, err)
		}
	}
	if len(s.asked()) > 0 {
		t.Errorf("sent %v", s.asked())
	}
}

// TestMadeElsewhere: a key that is not kept as it was asked for is not taken for ours.
func TestMadeElsewhere(t *testing.T) {
	t.Parallel()
	for kty, kind := range map[string]broker.Kind{"EC-HSM": "", "EC": broker.Tampered, "RSA-HSM": broker.Tampered} {
		var s *script
		s = newScript(t, func(_ asking, w http.ResponseWriter) {
			b := ecBundle(s.ref().ID + "/" + someVersion)
			b["key"] = b["key"].(object).with(object{"kty": kty})
			_, _ = io.WriteString(w, b.String())
		})
		_, err := adapter(t, s).Import(t.Context(), effect(broker.StepImport), s.importing())
		if kind == "" && err != nil || kind != "" && inWords(t, err).Kind != kind {
			t.Errorf("%s: %v", kty, err)
		}
	}
}
