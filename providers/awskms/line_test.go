package awskms_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/providers/awskms"
)

// filled makes a key with material through p.
func filled(ctx context.Context, p *awskms.Provider, in broker.PrepareIn, raw []byte) (broker.VersionRef, error) {
	made, err := p.Prepare(ctx, effect(broker.StepPrepare), in)
	if err != nil {
		return broker.VersionRef{}, err
	}
	v := broker.VersionRef{Key: made.Key}
	w, err := p.WrappingKey(ctx, effect(broker.StepFetch), broker.WrappingKeyIn{Key: made.Key, Mechanism: broker.OAEPSHA256})
	if err != nil {
		return v, err
	}
	parsed, err := x509.ParsePKIXPublicKey(w.PublicKey)
	if err != nil {
		return v, err
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, parsed.(*rsa.PublicKey), raw, nil)
	if err != nil {
		return v, err
	}
	_, err = p.Import(ctx, effect(broker.StepImport), broker.ImportIn{
		Key: made.Key, Kind: broker.ImportNew, Spec: in.Spec, Mechanism: broker.OAEPSHA256, Wrapped: wrapped, Token: w.Token,
	})
	return v, err
}

func proving(v broker.VersionRef, level broker.ProofLevel, spec broker.KeySpec, purpose broker.Purpose) broker.Challenge {
	c, err := broker.NewChallenge(broker.ChallengeSubject{Ref: v, Level: level, Spec: spec, Purpose: purpose}, time.Now())
	if err != nil {
		panic(err)
	}
	return c
}

// life does everything that the adapter can do to a key, and stops at the first error.
func life(ctx context.Context, p *awskms.Provider, proof broker.Purpose) error {
	v, err := filled(ctx, p, hmacKey(), make([]byte, 32))
	if err != nil {
		return err
	}
	name := "alias/" + strings.ReplaceAll(v.Key.ID[len(v.Key.ID)-36:], "-", "")
	seen := func() error {
		for _, err := range p.Look(ctx, broker.Query{All: true}) {
			return err
		}
		return nil
	}
	if err := seen(); err != nil {
		return err
	}
	prove := func() error {
		if proof == broker.MAC {
			_, err := p.Prove(ctx, v, proving(v, broker.ProofMAC, broker.HMAC256, broker.MAC))
			return err
		}
		_, err := p.Prove(ctx, v, proving(v, broker.ProofPublicKey, broker.ECP256, broker.Sign))
		return err
	}
	if err := prove(); err != nil {
		return err
	}
	for _, a := range []broker.Action{
		{Kind: broker.Activate, Consumer: name},
		{Kind: broker.Activate, Consumer: name, Expect: v.Key.ID},
		{Kind: broker.Deactivate, Consumer: name},
		{Kind: broker.Disable},
		{Kind: broker.Enable},
		{Kind: broker.DeleteMaterial},
		{Kind: broker.Schedule},
		{Kind: broker.Cancel},
	} {
		if _, err := p.Do(ctx, effect(broker.StepActivate), v, a); err != nil {
			return err
		}
	}
	return nil
}

func TestDeniedProofs(t *testing.T) {
	t.Parallel()
	for permission, in := range map[string]broker.PrepareIn{
		"kms:Sign":               {Spec: broker.ECP256, Purpose: broker.Sign},
		"kms:Decrypt":            {Spec: broker.RSA2048, Purpose: broker.Decrypt},
		"kms:DeriveSharedSecret": {Spec: broker.ECP256, Purpose: broker.Agree},
	} {
		t.Run(permission, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, publicOnly)
			p := adapter(t, s.URL)
			v := broker.VersionRef{Key: ref()}
			c, err := broker.NewChallenge(broker.ChallengeSubject{
				Ref: v, Level: broker.ProofPublicKey, Spec: in.Spec, Purpose: in.Purpose, PublicKey: publicKeyOf(in.Spec),
			}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Prove(t.Context(), v, c)
			if got := inWords(t, err); got.Kind != broker.Denied || got.Permission != permission {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAssumedRole(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	role := awsemu.Role{ARN: "arn:aws:iam::" + account + ":role/importer", ExternalID: "x-1", Deny: []string{"kms:DisableKey"}}
	noRole := awsemu.AccessKey{ID: "AKIANOROLE", Secret: "s", Deny: []string{"sts:AssumeRole"}}
	if err := e.admin.Configure(t.Context(), awsemu.Change{Roles: []awsemu.Role{role}, AccessKeys: []awsemu.AccessKey{noRole}}); err != nil {
		t.Fatal(err)
	}
	with := func(externalID string, key awsemu.AccessKey) *awskms.Provider {
		return adapter(t, e.server.URL(), func(c *awskms.Config) {
			c.Credentials, c.RoleARN, c.ExternalID = static(key), role.ARN, externalID
		})
	}
	p := with("x-1", e.server.Credentials())
	id, err := p.Identify(t.Context())
	if err != nil || id.Principal != "arn:aws:sts::"+account+":assumed-role/importer/keyferry" {
		t.Errorf("identify: %v, %v", id.Principal, err)
	}
	if err := life(t.Context(), p, broker.MAC); inWords(t, err).Permission != "kms:DisableKey" {
		t.Errorf("the role's own limits: %v", err)
	}
	for name, p := range map[string]*awskms.Provider{"wrong external id": with("x-2", e.server.Credentials()), "not allowed": with("x-1", noRole)} {
		if err := prepare(t, p); inWords(t, err).Kind != broker.Denied || inWords(t, err).Permission != "sts:AssumeRole" {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := p.Identify(t.Context()); inWords(t, err).Permission != "sts:AssumeRole" {
			t.Errorf("%s: identify: %v", name, err)
		}
	}
}

// TestCredentials that are unknown, wrong or ended, and a clock that is off.
func TestCredentials(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	good := e.server.Credentials()
	for name, c := range map[string]struct {
		key  awsemu.AccessKey
		kind broker.Kind
		hint string
		now  func() time.Time
	}{
		"unknown": {awsemu.AccessKey{ID: "AKIAUNKNOWN", Secret: "x"}, broker.Denied, "", time.Now},
		"wrong":   {awsemu.AccessKey{ID: good.ID, Secret: "x"}, broker.Denied, "", time.Now},
		"clock":   {good, broker.Denied, "clock is 10m", func() time.Time { return time.Now().Add(10 * time.Minute) }},
	} {
		p := adapter(t, e.server.URL(), func(config *awskms.Config) { config.Credentials, config.Now = static(c.key), c.now })
		got := inWords(t, prepare(t, p))
		if got.Kind != c.kind || got.Permission != "" || !strings.Contains(got.Hint, c.hint) {
			t.Errorf("%s: %v (%s)", name, got, got.Hint)
		}
	}
	if _, err := e.admin.Add(t.Context(), faults.Rule{Kind: faults.Expire, Match: faults.Match{Action: "CreateKey"}}); err != nil {
		t.Fatal(err)
	}
	if err := prepare(t, e.provider); inWords(t, err).Kind != broker.Expired {
		t.Errorf("ended: %v", err)
	}
}

// TestNoCredentials names what is missing, and sends nothing.
func TestNoCredentials(t *testing.T) {
	t.Parallel()
	s := newScript(t, saying(`{}`))
	p := adapter(t, s.URL, func(c *awskms.Config) {
		c.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("the chain has none")
		})
	})
	got := inWords(t, prepare(t, p))
	if got.Kind != broker.Unavailable || got.Cause.Error() != "no credentials: the chain has none" || !strings.Contains(got.Hint, "give this process credentials") {
		t.Errorf("%v (%s)", got, got.Hint)
	}
	if asked := s.asked(); len(asked) > 0 {
		t.Errorf("sent %v", asked)
	}
}

func TestWrongCA(t *testing.T) {
	t.Parallel()
	e, another := emulate(t, overTLS), emulate(t, nil)
	for name, pem := range map[string][]byte{"none": nil, "another": another.server.CAPEM()} {
		p := adapter(t, e.server.TLSURL(), func(c *awskms.Config) {
			c.Credentials = static(e.server.Credentials())
			if pem != nil {
				c.RootCAs = x509.NewCertPool()
				c.RootCAs.AppendCertsFromPEM(pem)
			}
		})
		if got := inWords(t, prepare(t, p)); got.Kind != broker.Denied || !strings.Contains(got.Hint, "nothing was sent") {
			t.Errorf("%s: %v", name, got)
		}
	}
	if report, err := e.admin.Report(t.Context()); err != nil || len(report.Keys) > 0 {
		t.Errorf("%d keys were made, %v", len(report.Keys), err)
	}
}

// TestReceipt is the evidence of a call over TLS.
func TestReceipt(t *testing.T) {
	t.Parallel()
	e := emulate(t, overTLS)
	made, err := e.provider.Prepare(t.Context(), effect(broker.StepPrepare), hmacKey())
	if err != nil {
		t.Fatal(err)
	}
	r := made.Receipt
	if r.Call != "CreateKey" || r.RequestID == "" || "https://"+r.Endpoint != e.server.TLSURL() {
		t.Errorf("receipt %+v", r)
	}
	if r.TLSVersion != "TLS 1.3" || r.TLSGroup == "" || r.ServerTime.IsZero() || r.ServerTime.Location() != time.UTC {
		t.Errorf("receipt %+v", r)
	}
	if sum, err := hex.DecodeString(r.TLSPeer); err != nil || len(sum) != sha256.Size {
		t.Errorf("peer %q", r.TLSPeer)
	}
	if block, _ := pem.Decode(e.server.CAPEM()); block != nil {
		if ca := sha256.Sum256(block.Bytes); hex.EncodeToString(ca[:]) == r.TLSPeer {
			t.Error("the peer is said to be the CA")
		}
	}
	if made.PolicyHash == "" {
		t.Error("the hash of the key policy is missing")
	}
}

// TestKeyPolicy is sent as configured, and told from any other by its meaning.
func TestKeyPolicy(t *testing.T) {
	t.Parallel()
	const policy = `{ "Version": "2012-10-17", "Statement": [ {"Effect":"Allow","Principal":{"AWS":"arn:{partition}:iam::{account}:root"},"Action":"kms:*","Resource":"*"} ] }`
	e := emulate(t, func(_ *emulated, c *awskms.Config) { c.KeyPolicy = policy })
	made, err := e.provider.Prepare(t.Context(), effect(broker.StepPrepare), hmacKey())
	if err != nil {
		t.Fatal(err)
	}
	seen, err := look(t, e.provider, broker.Query{Key: &made.Key})
	if err != nil || len(seen) != 1 || !seen[0].PolicyMatch || seen[0].PolicyHash != made.PolicyHash {
		t.Fatalf("seen %+v, %v; sent %s", seen, err, made.PolicyHash)
	}
	another := adapter(t, e.server.URL(), func(c *awskms.Config) { c.Credentials = static(e.server.Credentials()) })
	seen, err = look(t, another, broker.Query{Key: &made.Key})
	if err != nil || len(seen) != 1 || seen[0].PolicyMatch || seen[0].PolicyHash != made.PolicyHash {
		t.Errorf("under another policy: %+v, %v", seen, err)
	}
}

// TestTagsOfTheBroker are on the key from its first moment, beside the customer's.
func TestTagsOfTheBroker(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	in := hmacKey()
	in.Tags = map[string]string{"team": "payments", "cost centre": "a+b=c@d"}
	if _, err := e.provider.Prepare(t.Context(), effect(broker.StepPrepare), in); err != nil {
		t.Fatal(err)
	}
	report, err := e.admin.Report(t.Context())
	if err != nil || len(report.Keys) != 1 {
		t.Fatalf("%d keys, %v", len(report.Keys), err)
	}
	for key, want := range map[string]string{
		"keyferry:effect": effect(broker.StepPrepare).ID(), "keyferry:operation": "op-1", "keyferry:key": "payments/db",
		"keyferry:key-id": "0123", "keyferry:version": "1", "team": "payments", "cost centre": "a+b=c@d",
	} {
		if got := report.Keys[0].Tags[key]; got != want {
			t.Errorf("tag %s is %q, want %q", key, got, want)
		}
	}
}

func TestTagsAreRefusedUnsent(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range 46 {
		many[strings.Repeat("x", i+1)] = ""
	}
	s := newScript(t, saying(`{}`))
	p := adapter(t, s.URL)
	for want, tags := range map[string]map[string]string{
		"begins with aws:, which is reserved":      {"AWS:x": "y"},
		"begins with keyferry:, which is reserved": {"Keyferry:x": "y"},
		`the name ""`:                            {"": "y"},
		`the name "xxx`:                          {strings.Repeat("x", 129): "y"},
		`the name "a#b"`:                         {"a#b": "c"},
		`the value "yyy`:                         {"x": strings.Repeat("y", 257)},
		`the value "a\nb"`:                       {"x": "a\nb"},
		"there are 46, and there is room for 45": many,
	} {
		in := hmacKey()
		in.Tags = tags
		_, err := p.Prepare(t.Context(), effect(broker.StepPrepare), in)
		if !errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if asked := s.asked(); len(asked) > 0 {
		t.Errorf("sent %v", asked)
	}
}

// TestUnreadableKeys come last, and hide nothing.
func TestUnreadableKeys(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	if _, err := e.provider.Prepare(t.Context(), effect(broker.StepPrepare), hmacKey()); err != nil {
		t.Fatal(err)
	}
	hidden := e.Plant(t, "kf-x", hmacKey(), broker.OriginExternal)
	id := hidden.ID[strings.LastIndex(hidden.ID, "/")+1:]
	if _, err := e.admin.Add(t.Context(), faults.Rule{Kind: faults.Deny, Count: -1, Match: faults.Match{KeyID: id}}); err != nil {
		t.Fatal(err)
	}
	seen, err := look(t, e.provider, broker.Query{All: true})
	if err != nil || len(seen) != 2 {
		t.Fatalf("%d keys, %v", len(seen), err)
	}
	if last := seen[1]; last.Version.Key != hidden || last.State != broker.RemoteUnexpected || !strings.Contains(last.Reason, "kms:DescribeKey") {
		t.Errorf("the last is %+v", last)
	}
	if seen, err := look(t, e.provider, broker.Query{Effect: effect(broker.StepPrepare).ID()}); err != nil || len(seen) != 1 {
		t.Errorf("by effect: %d keys, %v", len(seen), err)
	}
}

// TestEd25519 goes where a config asks for it and the service takes it.
func TestEd25519(t *testing.T) {
	t.Parallel()
	e := emulate(t, func(_ *emulated, c *awskms.Config) { c.Ed25519 = true })
	e.configure(t, awsemu.Settings{Lenient: true})
	caps := e.provider.Capabilities()
	if !caps.Takes(broker.Ed25519, broker.Sign) || caps.Specs[broker.Ed25519].Proof[broker.Sign] != broker.ProofPublicKey {
		t.Fatalf("capabilities %+v", caps.Specs[broker.Ed25519])
	}
	in := hmacKey()
	in.Spec, in.Purpose = broker.Ed25519, broker.Sign
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	v, err := filled(t.Context(), e.provider, in, raw)
	if err != nil {
		t.Fatal(err)
	}
	c := proving(v, broker.ProofPublicKey, in.Spec, in.Purpose)
	answer, err := e.provider.Prove(t.Context(), v, c)
	if err != nil || answer.Scheme != broker.SchemeEd25519 || !ed25519.Verify(public, c.Message(), answer.Value) {
		t.Errorf("answer %+v, %v", answer, err)
	}
}
