package gcpkms_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"maps"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

// foreigners are names that answers must not have where the key "payments" or a
// version of it was asked for.
var foreigners = map[string]string{
	"project":  "projects/another-project/locations/" + place + "/keyRings/ring/cryptoKeys/payments",
	"number":   "projects/123456789012/locations/" + place + "/keyRings/ring/cryptoKeys/payments",
	"location": "projects/" + project + "/locations/us-east1/keyRings/ring/cryptoKeys/payments",
	"ring":     "projects/" + project + "/locations/" + place + "/keyRings/rings/cryptoKeys/payments",
	"key":      ringName + "/cryptoKeys/payments2",
	"path":     ringName + "/cryptoKeys/../payments",
	"below":    keyName + "/x",
	"space":    keyName + " ",
	"case":     strings.ToUpper(keyName),
}

// whole is a key as Google answers it.
func whole(name string) *kmspb.CryptoKey {
	return &kmspb.CryptoKey{
		Name: name, Purpose: kmspb.CryptoKey_MAC, ImportOnly: true, CreateTime: timestamppb.Now(),
		VersionTemplate:          &kmspb.CryptoKeyVersionTemplate{ProtectionLevel: kmspb.ProtectionLevel_HSM, Algorithm: kmspb.CryptoKeyVersion_HMAC_SHA256},
		DestroyScheduledDuration: durationpb.New(30 * 24 * time.Hour),
		Labels: map[string]string{
			"keyferry-effect": effect(broker.StepPrepare).ID(), "keyferry-key-id": macKey().KeyID,
			"keyferry-operation": "20270131t120000-0a1b2c", "keyferry-key": "payments",
		},
	}
}

// version is a version as Google answers it.
func version(name string) *kmspb.CryptoKeyVersion {
	return &kmspb.CryptoKeyVersion{
		Name: name, State: kmspb.CryptoKeyVersion_ENABLED, ProtectionLevel: kmspb.ProtectionLevel_HSM,
		Algorithm: kmspb.CryptoKeyVersion_HMAC_SHA256, ImportJob: jobName, CreateTime: timestamppb.Now(),
	}
}

const jobName = ringName + "/importJobs/job"

// each calls everything that answers about a key or version named so.
func each(t *testing.T, p *gcpkms.Provider) map[string]error {
	t.Helper()
	out, v := map[string]error{}, numbered("1")
	out["prepare"] = prepare(t, p)
	_, out["wrapping key"] = p.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{Key: *ref(), Mechanism: broker.KWPSHA256})
	_, out["import"] = p.Import(t.Context(), effect(broker.StepImport), importing())
	for _, kind := range []broker.ActionKind{broker.Disable, broker.Enable, broker.Schedule, broker.Cancel} {
		_, out[string(kind)] = p.Do(t.Context(), effect(broker.StepEnable), v, broker.Action{Kind: kind})
	}
	_, out["look at key"] = look(t, p, broker.Query{Key: ref()})
	_, out["look at version"] = look(t, p, broker.Query{Version: &v})
	_, out["look at versions"] = look(t, p, broker.Query{Versions: ref()})
	_, out["look at all"] = look(t, p, broker.Query{All: true})
	_, out["look at consumer"] = look(t, p, broker.Query{Consumer: keyName})
	_, out["prove"] = p.Prove(t.Context(), v, challenge(broker.ProofMAC, broker.HMAC256, broker.MAC))
	return out
}

func importing() broker.ImportIn {
	return broker.ImportIn{Key: *ref(), Kind: broker.ImportNew, Spec: broker.HMAC256, Mechanism: broker.KWPSHA256, Wrapped: []byte("wrapped"), Token: []byte(jobName), Of: macKey()}
}

func challenge(level broker.ProofLevel, spec broker.KeySpec, purpose broker.Purpose) broker.Challenge {
	c, err := broker.NewChallenge(broker.ChallengeSubject{Ref: numbered("1"), Level: level, Spec: spec, Purpose: purpose}, time.Now())
	if err != nil {
		panic(err)
	}
	return c
}

// about answers everything with resources of a name.
func about(key string) map[string]proto.Message {
	v := version(key + "/cryptoKeyVersions/1")
	mac := []byte("mac")
	return map[string]proto.Message{
		"CreateCryptoKey": whole(key), "GetCryptoKey": whole(key), "ListCryptoKeys": &kmspb.ListCryptoKeysResponse{CryptoKeys: []*kmspb.CryptoKey{whole(key)}},
		"GetCryptoKeyVersion": v, "ListCryptoKeyVersions": &kmspb.ListCryptoKeyVersionsResponse{CryptoKeyVersions: []*kmspb.CryptoKeyVersion{v}},
		"ImportCryptoKeyVersion": v, "UpdateCryptoKeyVersion": v, "DestroyCryptoKeyVersion": v, "RestoreCryptoKeyVersion": v,
		"MacSign": &kmspb.MacSignResponse{Name: v.GetName(), Mac: mac, MacCrc32C: crc(mac), VerifiedDataCrc32C: true, ProtectionLevel: kmspb.ProtectionLevel_HSM},
	}
}

func crc(data []byte) *wrapperspb.Int64Value {
	return wrapperspb.Int64(int64(crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))))
}

// TestAnswersAboutOthers: every answer that names a resource is held against what was
// enrolled and asked for.
func TestAnswersAboutOthers(t *testing.T) {
	t.Parallel()
	for name, key := range foreigners {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for call, err := range each(t, adapter(t, newScript(t, saying(about(key))))) {
				if name == "key" && call == "look at all" {
					continue // the ring's own, and nobody asked for it by name
				}
				if err == nil || inWords(t, err).Kind != broker.Tampered {
					t.Errorf("%s: %v", call, err)
				}
			}
		})
	}
}

// TestAnswersAboutOtherVersions of the right key.
func TestAnswersAboutOtherVersions(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"2", "0", "01", "x", ""} {
		answers := about(keyName)
		for rpc, m := range answers {
			if v, ok := m.(*kmspb.CryptoKeyVersion); ok && rpc != "ImportCryptoKeyVersion" {
				v.Name = keyName + "/cryptoKeyVersions/" + id
			}
		}
		p := adapter(t, newScript(t, saying(answers)))
		for _, call := range []string{"disable", "enable", "schedule", "cancel", "look at version"} {
			if err := each(t, p)[call]; err == nil || inWords(t, err).Kind != broker.Tampered {
				t.Errorf("%s is answered about version %q: %v", call, id, err)
			}
		}
	}
}

// TestAnswersWithoutNames: of a change nobody knows what it did, a read failed.
func TestAnswersWithoutNames(t *testing.T) {
	t.Parallel()
	answers := map[string]proto.Message{}
	for rpc, m := range about(keyName) {
		answers[rpc] = m.ProtoReflect().Type().New().Interface()
	}
	for call, err := range each(t, adapter(t, newScript(t, saying(answers)))) {
		want := broker.Unavailable
		switch call {
		case "prepare", "import", "disable", "enable", "schedule", "cancel":
			want = broker.Unclear
		case "look at all":
			if err != nil {
				t.Errorf("an empty ring: %v", err)
			}
			continue
		}
		if err == nil || inWords(t, err).Kind != want {
			t.Errorf("%s: %v", call, err)
		}
	}
}

// TestListsThatDoNotEnd: the same page for ever, or ever another one.
func TestListsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	n := 0
	for name, next := range map[string]func() string{
		"the same page":  func() string { return "again" },
		"ever new pages": func() string { n++; return fmt.Sprint(n) },
	} {
		s := newScript(t, func(a asking) (proto.Message, error) {
			switch a.rpc {
			case "ListCryptoKeys":
				return &kmspb.ListCryptoKeysResponse{NextPageToken: next()}, nil
			case "ListCryptoKeyVersions":
				return &kmspb.ListCryptoKeyVersionsResponse{NextPageToken: next()}, nil
			default:
				return whole(keyName), nil
			}
		})
		p := adapter(t, s)
		for _, q := range []broker.Query{{All: true}, {Versions: ref()}, {Key: ref()}} {
			if _, err := look(t, p, q); err == nil || inWords(t, err).Kind != broker.Unavailable {
				t.Errorf("%s: %v", name, err)
			}
		}
		if asked := len(s.asked()); asked > 3100 {
			t.Errorf("%s: asked %d times", name, asked)
		}
	}
}

// TestPagesAreReadToTheirEnd, however short they are.
func TestPagesAreReadToTheirEnd(t *testing.T) {
	t.Parallel()
	pages := map[string]*kmspb.ListCryptoKeysResponse{
		"":  {NextPageToken: "b", CryptoKeys: []*kmspb.CryptoKey{whole(ringName + "/cryptoKeys/a")}},
		"b": {NextPageToken: "c"},
		"c": {CryptoKeys: []*kmspb.CryptoKey{whole(keyName)}},
	}
	p := adapter(t, newScript(t, func(a asking) (proto.Message, error) {
		if in, ok := a.in.(*kmspb.ListCryptoKeysRequest); ok {
			return pages[in.GetPageToken()], nil
		}
		return &kmspb.ListCryptoKeyVersionsResponse{}, nil
	}))
	seen, err := look(t, p, broker.Query{All: true})
	if err != nil || len(seen) != 2 || seen[1].Version.Key != *ref() || seen[1].State != broker.RemotePending {
		t.Errorf("%v, %v", seen, err)
	}
}

// TestDamagedAnswers: a checksum that did not arrive, is not there, or differs.
func TestDamagedAnswers(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*kmspb.MacSignResponse){
		"ours did not arrive": func(m *kmspb.MacSignResponse) { m.VerifiedDataCrc32C = false },
		"theirs is not there": func(m *kmspb.MacSignResponse) { m.MacCrc32C = nil },
		"theirs differs":      func(m *kmspb.MacSignResponse) { m.Mac = []byte("Mac") },
		"another level":       func(m *kmspb.MacSignResponse) { m.ProtectionLevel = kmspb.ProtectionLevel_SOFTWARE },
	} {
		answers := about(keyName)
		damage(answers["MacSign"].(*kmspb.MacSignResponse))
		_, err := adapter(t, newScript(t, saying(answers))).Prove(t.Context(), numbered("1"), challenge(broker.ProofMAC, broker.HMAC256, broker.MAC))
		if err == nil || inWords(t, err).Kind != broker.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := adapter(t, newScript(t, saying(about(keyName))))
	if _, err := p.Prove(t.Context(), numbered("1"), challenge(broker.ProofMAC, broker.HMAC256, broker.MAC)); err != nil {
		t.Errorf("undamaged: %v", err)
	}
}

// publicKey is one as Google answers it.
func publicKey(t *testing.T) *kmspb.PublicKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return &kmspb.PublicKey{
		Name: keyName + "/cryptoKeyVersions/1", Pem: string(text), PemCrc32C: crc(text),
		Algorithm: kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256, ProtectionLevel: kmspb.ProtectionLevel_HSM,
	}
}

func TestPublicKeysThatAreNone(t *testing.T) {
	t.Parallel()
	resum := func(text string) func(*kmspb.PublicKey) {
		return func(k *kmspb.PublicKey) { k.Pem, k.PemCrc32C = text, crc([]byte(text)) }
	}
	good := publicKey(t)
	c, err := broker.NewChallenge(broker.ChallengeSubject{
		Ref: numbered("1"), Level: broker.ProofPublicKey, Spec: broker.ECP256, Purpose: broker.Sign, PublicOnly: true,
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		damage func(*kmspb.PublicKey)
		kind   broker.Kind
	}{
		"as it is":         {func(*kmspb.PublicKey) {}, ""},
		"no name":          {func(k *kmspb.PublicKey) { k.Name = "" }, broker.Unavailable},
		"another's":        {func(k *kmspb.PublicKey) { k.Name = keyName + "/cryptoKeyVersions/2" }, broker.Tampered},
		"damaged":          {func(k *kmspb.PublicKey) { k.Pem += "\n" }, broker.Unavailable},
		"no checksum":      {func(k *kmspb.PublicKey) { k.PemCrc32C = nil }, broker.Unavailable},
		"nothing":          {resum(""), broker.Unavailable},
		"two keys":         {resum(good.GetPem() + good.GetPem()), broker.Unavailable},
		"a certificate":    {resum(strings.ReplaceAll(good.GetPem(), "PUBLIC KEY", "CERTIFICATE")), broker.Unavailable},
		"no DER":           {resum(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}))), broker.Rejected},
		"another level's":  {func(k *kmspb.PublicKey) { k.ProtectionLevel = kmspb.ProtectionLevel_SOFTWARE }, broker.Unavailable},
		"with text before": {resum("Proc-Type: x\n" + good.GetPem()), ""},
	} {
		k := proto.CloneOf(good)
		x.damage(k)
		s := newScript(t, saying(map[string]proto.Message{"GetPublicKey": k}))
		answer, err := adapter(t, s).Prove(t.Context(), numbered("1"), c)
		if x.kind == "" && (err != nil || len(answer.PublicKey) == 0 || len(s.asked()) != 1) {
			t.Errorf("%s: %v, asked %v", name, err, s.rpcs())
		}
		if x.kind != "" && (err == nil || inWords(t, err).Kind != x.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLocationsThatSayNothing, or lie about which they are.
func TestLocationsThatSayNothing(t *testing.T) {
	t.Parallel()
	metadata := func(m proto.Message) *anypb.Any {
		out, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	const name = "projects/" + project + "/locations/" + place
	for what, x := range map[string]struct {
		l    *location.Location
		kind broker.Kind
	}{
		"an HSM":           {&location.Location{Name: name, Metadata: metadata(&kmspb.LocationMetadata{HsmAvailable: true})}, ""},
		"none":             {&location.Location{Name: name, Metadata: metadata(&kmspb.LocationMetadata{})}, broker.Unsupported},
		"nothing":          {&location.Location{Name: name}, broker.Unavailable},
		"something else":   {&location.Location{Name: name, Metadata: metadata(&kmspb.KeyRing{})}, broker.Unavailable},
		"another location": {&location.Location{Name: name + "x", Metadata: metadata(&kmspb.LocationMetadata{HsmAvailable: true})}, broker.Tampered},
	} {
		answers := map[string]proto.Message{"GetKeyRing": &kmspb.KeyRing{Name: ringName}, "GetLocation": x.l}
		id, err := adapter(t, newScript(t, saying(answers))).Identify(t.Context())
		if x.kind == "" && (err != nil || id.Account != project || id.Principal == "") {
			t.Errorf("%s: %+v, %v", what, id, err)
		}
		if x.kind != "" && (err == nil || inWords(t, err).Kind != x.kind) {
			t.Errorf("%s: %v", what, err)
		}
		delete(answers, "GetLocation")
		software := func(c *gcpkms.Config) { c.Protection = gcpkms.Software }
		if _, err := adapter(t, newScript(t, saying(maps.Clone(answers))), software).Identify(t.Context()); err != nil {
			t.Errorf("for software no location is asked: %v", err)
		}
	}
	_, err := adapter(t, newScript(t, saying(nil))).Identify(t.Context())
	if e := inWords(t, err); e.Kind != broker.NotFound || !strings.Contains(e.Hint, "gcloud kms keyrings create ring --location europe-west3") {
		t.Errorf("no ring: %v (%s)", e, e.Hint)
	}
}
