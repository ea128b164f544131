package gcpkms_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/proto"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

func TestSpecs(t *testing.T) {
	t.Parallel()
	both := []broker.Purpose{broker.Encrypt, broker.RawEncrypt}
	sign := []broker.Purpose{broker.Sign}
	mac := []broker.Purpose{broker.MAC}
	pair := []broker.Purpose{broker.Sign, broker.Decrypt}
	want := map[broker.KeySpec][]broker.Purpose{
		broker.AES128: {broker.RawEncrypt}, broker.AES256: both,
		broker.HMACSHA1: mac, broker.HMAC224: mac, broker.HMAC256: mac, broker.HMAC384: mac, broker.HMAC512: mac,
		broker.RSA2048: pair, broker.RSA3072: pair, broker.RSA4096: pair,
		broker.ECP256: sign, broker.ECP384: sign, broker.ECP521: nil, broker.Secp256k1: sign, broker.Ed25519: sign,
	}
	caps := open(t, base()).Capabilities()
	for _, s := range broker.KeySpecs() {
		got := caps.Specs[s]
		if !slices.Equal(got.Purposes, want[s]) {
			t.Errorf("%s is for %v", s, got.Purposes)
		}
		direct := slices.Contains(got.Mechanisms, broker.OAEPSHA256)
		if len(want[s]) > 0 && (got.Mechanisms[0] != broker.KWPSHA256 || got.Mechanisms[1] != broker.KWPSHA1 || direct == (s.Class() == broker.ClassRSA)) {
			t.Errorf("%s by %v", s, got.Mechanisms)
		}
		if got.ImportRepeats || len(want[s]) > 0 && !got.SecondVersion {
			t.Errorf("%s: %+v", s, got)
		}
		for _, p := range got.Purposes {
			given, level := broker.GivenVersion, broker.ProofPublicKey
			switch p {
			case broker.Encrypt:
				given, level = broker.GivenPrimary, broker.ProofAccepted
			case broker.RawEncrypt:
				level = broker.ProofCipher
			case broker.MAC:
				level = broker.ProofMAC
			default: // pairs
			}
			if got.Given[p] != given || got.Proof[p] != level {
				t.Errorf("%s for %s: given %q, proven by %s", s, p, got.Given[p], got.Proof[p])
			}
		}
	}
}

func TestSoftwareIsSaid(t *testing.T) {
	t.Parallel()
	caps := open(t, base(), func(c *gcpkms.Config) { c.Protection, c.SoleWriter = gcpkms.Software, true }).Capabilities()
	if !caps.SoftwareProtected || !caps.SoleWriter {
		t.Errorf("%+v", caps)
	}
	if spec := caps.Specs[broker.Secp256k1]; len(spec.Mechanisms) > 0 || !strings.Contains(spec.Unsupported, "HSM") {
		t.Errorf("secp256k1 in software: %+v", spec)
	}
	if caps := open(t, base()).Capabilities(); caps.SoftwareProtected || caps.SoleWriter || !caps.Takes(broker.Secp256k1, broker.Sign) {
		t.Errorf("%+v", caps)
	}
}

// made answers CreateCryptoKey as Google does, with what was asked.
func made(a asking) (proto.Message, error) {
	if in, ok := a.in.(*kmspb.CreateCryptoKeyRequest); ok {
		key := proto.CloneOf(in.GetCryptoKey())
		key.Name = in.GetParent() + "/cryptoKeys/" + in.GetCryptoKeyId()
		return key, nil
	}
	return failing(5, "no "+a.rpc)(a)
}

// TestAlgorithms: each that a policy can ask for goes into the key's template; one
// that does not fit, or that nothing could prove, is refused before anything is sent.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	s := newScript(t, made)
	p := adapter(t, s)
	for _, c := range []struct {
		spec    broker.KeySpec
		purpose broker.Purpose
		word    string
		want    string // "" refused
	}{
		{broker.AES256, broker.Encrypt, "", "GOOGLE_SYMMETRIC_ENCRYPTION"},
		{broker.AES128, broker.RawEncrypt, "", "AES_128_GCM"},
		{broker.AES256, broker.RawEncrypt, "AES_256_GCM", "AES_256_GCM"},
		{broker.HMACSHA1, broker.MAC, "", "HMAC_SHA1"},
		{broker.HMAC512, broker.MAC, "", "HMAC_SHA512"},
		{broker.RSA2048, broker.Sign, "", "RSA_SIGN_PSS_2048_SHA256"},
		{broker.RSA4096, broker.Sign, "RSA_SIGN_PKCS1_4096_SHA512", "RSA_SIGN_PKCS1_4096_SHA512"},
		{broker.RSA3072, broker.Decrypt, "", "RSA_DECRYPT_OAEP_3072_SHA256"},
		{broker.ECP384, broker.Sign, "", "EC_SIGN_P384_SHA384"},
		{broker.Secp256k1, broker.Sign, "", "EC_SIGN_SECP256K1_SHA256"},
		{broker.Ed25519, broker.Sign, "", "EC_SIGN_ED25519"},

		{broker.AES256, broker.RawEncrypt, "AES_256_CBC", ""},
		{broker.RSA2048, broker.Sign, "RSA_SIGN_RAW_PKCS1_2048", ""},
		{broker.RSA2048, broker.Sign, "RSA_SIGN_PSS_3072_SHA256", ""},
		{broker.RSA2048, broker.Sign, "RSA_DECRYPT_OAEP_2048_SHA256", ""},
		{broker.RSA2048, broker.Sign, "ROT13\x07", ""},
		{broker.ECP256, broker.Agree, "", ""},
		{broker.ECP521, broker.Sign, "", ""},
		{broker.AES128, broker.Encrypt, "", ""},
	} {
		in := macKey()
		in.Spec, in.Purpose, in.Algorithm = c.spec, c.purpose, c.word
		sent := len(s.asked())
		_, err := p.Prepare(t.Context(), effect(broker.StepPrepare), in)
		if c.want == "" {
			if inWords(t, err).Kind != broker.Unsupported || len(s.asked()) != sent || strings.Contains(err.Error(), "\a") {
				t.Errorf("%s for %s by %q: %v", c.spec, c.purpose, c.word, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s for %s by %q: %v", c.spec, c.purpose, c.word, err)
			continue
		}
		request := s.asked()[sent].in.(*kmspb.CreateCryptoKeyRequest)
		if got := request.GetCryptoKey().GetVersionTemplate(); got.GetAlgorithm().String() != c.want || got.GetProtectionLevel() != kmspb.ProtectionLevel_HSM {
			t.Errorf("%s for %s by %q: %v", c.spec, c.purpose, c.word, got)
		}
	}
}

// TestKeysAreMadeEmpty, for imported versions only, with marks and the waiting period.
func TestKeysAreMadeEmpty(t *testing.T) {
	t.Parallel()
	s := newScript(t, made)
	p := adapter(t, s, func(c *gcpkms.Config) { c.Protection = gcpkms.Software })
	in := macKey()
	in.Tags, in.Window = map[string]string{"team": "payments", "empty": ""}, 7*24*time.Hour
	if _, err := p.Prepare(t.Context(), effect(broker.StepPrepare), in); err != nil {
		t.Fatal(err)
	}
	got := s.asked()[0].in.(*kmspb.CreateCryptoKeyRequest)
	key := got.GetCryptoKey()
	if !got.GetSkipInitialVersionCreation() || !key.GetImportOnly() || key.GetPurpose() != kmspb.CryptoKey_MAC || got.GetParent() != ringName ||
		key.GetDestroyScheduledDuration().AsDuration() != in.Window || key.GetVersionTemplate().GetProtectionLevel() != kmspb.ProtectionLevel_SOFTWARE {
		t.Errorf("asked for %v", got)
	}
	want := map[string]string{
		"team": "payments", "empty": "", "keyferry-key": "payments", "keyferry-key-id": in.KeyID,
		"keyferry-effect": effect(broker.StepPrepare).ID(), "keyferry-operation": "20270131t120000-0a1b2c",
	}
	if len(key.GetLabels()) != len(want) {
		t.Errorf("labels %v", key.GetLabels())
	}
	for label, value := range want {
		if key.GetLabels()[label] != value {
			t.Errorf("label %s is %q", label, key.GetLabels()[label])
		}
	}
}

// TestRefusedBeforeItIsSent: what Google would refuse, and what would not be ours.
func TestRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	s := newScript(t, made)
	p := adapter(t, s)
	many := map[string]string{}
	for i := range 61 {
		many["tag"+string(rune('a'+i%26))+string(rune('a'+i/26))] = ""
	}
	for name, c := range map[string]struct {
		change func(*broker.PrepareIn)
		kind   broker.Kind
	}{
		"no name":        {func(in *broker.PrepareIn) { in.RemoteName = "" }, broker.Misuse},
		"a path":         {func(in *broker.PrepareIn) { in.RemoteName = "a/b" }, broker.Misuse},
		"a long name":    {func(in *broker.PrepareIn) { in.RemoteName = strings.Repeat("x", 64) }, broker.Misuse},
		"our mark":       {func(in *broker.PrepareIn) { in.Tags = map[string]string{"keyferry-effect": "x"} }, broker.Misuse},
		"capitals":       {func(in *broker.PrepareIn) { in.Tags = map[string]string{"Team": "x"} }, broker.Misuse},
		"a value":        {func(in *broker.PrepareIn) { in.Tags = map[string]string{"team": "A B"} }, broker.Misuse},
		"a long value":   {func(in *broker.PrepareIn) { in.Tags = map[string]string{"team": strings.Repeat("x", 64)} }, broker.Misuse},
		"many":           {func(in *broker.PrepareIn) { in.Tags = many }, broker.Misuse},
		"an id":          {func(in *broker.PrepareIn) { in.KeyID = "A/B" }, broker.Misuse},
		"a short window": {func(in *broker.PrepareIn) { in.Window = time.Hour }, broker.Rejected},
		"a replica":      {func(in *broker.PrepareIn) { in.Replica = ref() }, broker.Unsupported},
		"many regions":   {func(in *broker.PrepareIn) { in.MultiRegion = true }, broker.Unsupported},
		"no prior":       {func(in *broker.PrepareIn) { in.Mode = broker.SameKey }, broker.Misuse},
		"a foreign prior": {func(in *broker.PrepareIn) {
			in.Mode, in.Prior = broker.SameKey, &broker.VersionRef{Key: broker.KeyRef{ID: "projects/x"}}
		}, broker.Tampered},
	} {
		in := macKey()
		c.change(&in)
		_, err := p.Prepare(t.Context(), effect(broker.StepPrepare), in)
		if e := inWords(t, err); e.Kind != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rpcs := s.rpcs(); len(rpcs) > 0 {
		t.Errorf("sent %v", rpcs)
	}
	rule := p.Capabilities().Tags
	if rule.Max != 60 || rule.Name == "" || rule.Value == "" || rule.Words == "" {
		t.Errorf("tag rule %+v", rule)
	}
}

// TestRoles have every permission that the adapter says it needs, once, in a document
// that gcloud would read. Who proves changes nothing; who imports, where another
// proves, uses no key.
func TestRoles(t *testing.T) {
	t.Parallel()
	included := func(written func(gcpkms.Config) (string, error), c gcpkms.Config) []string {
		text, err := written(c)
		if err != nil {
			t.Fatal(err)
		}
		var role struct {
			Title, Description, Stage string
			IncludedPermissions       []string
		}
		if err := json.Unmarshal([]byte(text), &role); err != nil || role.Title == "" || role.Stage != "GA" || !strings.Contains(role.Description, ringName) {
			t.Errorf("%s: %v", text, err)
		}
		return role.IncludedPermissions
	}
	c := base()
	all := included(gcpkms.LeastPolicy, c)
	c.ProofImpersonate = "prover@" + project + ".iam.gserviceaccount.com"
	imports, proofs := included(gcpkms.LeastPolicy, c), included(gcpkms.ProofPolicy, c)
	if !slices.Equal(slices.Sorted(slices.Values(all)), slices.Sorted(slices.Values(append(slices.Clone(imports), proofs...)))) {
		t.Errorf("together %v, apart %v and %v", all, imports, proofs)
	}
	for _, permission := range imports {
		if strings.Contains(permission, ".useToSign") || strings.Contains(permission, ".useToDecrypt") || strings.Contains(permission, ".useToEncrypt") {
			t.Errorf("who imports may use keys: %s", permission)
		}
	}
	var needed []string
	for _, permission := range open(t, base()).Capabilities().Permissions {
		if !permission.Later {
			needed = append(needed, permission.Action)
		}
	}
	if !slices.Equal(slices.Sorted(slices.Values(all)), slices.Sorted(slices.Values(needed))) {
		t.Errorf("granted %v, needed %v", all, needed)
	}
}

// TestImpersonationIsAPermissionToo, on the account and not in the role.
func TestImpersonationIsAPermissionToo(t *testing.T) {
	t.Parallel()
	c := base()
	c.Tokens, c.CredentialsJSON = nil, []byte(`{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"}`)
	c.Impersonate = "a@b.iam.gserviceaccount.com"
	has := func(p *gcpkms.Provider) bool {
		return slices.ContainsFunc(p.Capabilities().Permissions, func(p broker.Permission) bool { return p.Action == "iam.serviceAccounts.getAccessToken" })
	}
	if !has(open(t, c)) || has(open(t, base())) {
		t.Error("it is needed where an account is impersonated, and nowhere else")
	}
}

func TestNameRule(t *testing.T) {
	t.Parallel()
	rule := open(t, base()).Capabilities().Names
	for name, want := range map[string]bool{
		"a": true, "A-b_9": true, strings.Repeat("x", 63): true,
		"": false, "a/b": false, "a.b": false, "a b": false, "x\n": false, "schlüssel": false, strings.Repeat("x", 64): false,
	} {
		if rule.Allows(name) != want {
			t.Errorf("%q is allowed: %v", name, !want)
		}
	}
}

// TestUnsupportedActions say what to do instead.
func TestUnsupportedActions(t *testing.T) {
	t.Parallel()
	s := newScript(t, made)
	p := adapter(t, s)
	for _, kind := range []broker.ActionKind{broker.DeleteMaterial, broker.SetEnd, "polish"} {
		_, err := p.Do(t.Context(), effect(broker.StepAbandon), numbered("1"), broker.Action{Kind: kind})
		if inWords(t, err).Kind != broker.Unsupported {
			t.Errorf("%s: %v", kind, err)
		}
	}
	in := broker.ImportIn{Key: *ref(), Kind: broker.ImportExisting, Version: new(numbered("1")), Wrapped: []byte("x"), Token: []byte(ringName + "/importJobs/j")}
	if _, err := p.Import(t.Context(), effect(broker.StepReimport), in); !errors.Is(err, broker.Unsupported) || !strings.Contains(err.Error(), "nothing expires") {
		t.Errorf("import existing: %v", err)
	}
	if len(s.asked()) > 0 {
		t.Errorf("sent %v", s.rpcs())
	}
}
