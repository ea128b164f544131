package gcpkms_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

// TestStates: every state that Google has, in common words.
func TestStates(t *testing.T) {
	t.Parallel()
	type words struct {
		state    broker.RemoteState
		material bool
		reason   string
	}
	want := map[kmspb.CryptoKeyVersion_CryptoKeyVersionState]words{
		kmspb.CryptoKeyVersion_PENDING_GENERATION:                   {broker.RemoteUpdating, false, ""},
		kmspb.CryptoKeyVersion_PENDING_IMPORT:                       {broker.RemoteImporting, false, ""},
		kmspb.CryptoKeyVersion_ENABLED:                              {broker.RemoteEnabled, true, ""},
		kmspb.CryptoKeyVersion_DISABLED:                             {broker.RemoteDisabled, true, ""},
		kmspb.CryptoKeyVersion_DESTROY_SCHEDULED:                    {broker.RemoteScheduled, true, ""},
		kmspb.CryptoKeyVersion_DESTROYED:                            {broker.RemoteDestroyed, false, ""},
		kmspb.CryptoKeyVersion_IMPORT_FAILED:                        {broker.RemoteFailed, false, "could not be unwrapped"},
		kmspb.CryptoKeyVersion_GENERATION_FAILED:                    {broker.RemoteFailed, false, "no entropy"},
		kmspb.CryptoKeyVersion_PENDING_EXTERNAL_DESTRUCTION:         {broker.RemoteUnexpected, false, ""},
		kmspb.CryptoKeyVersion_EXTERNAL_DESTRUCTION_FAILED:          {broker.RemoteUnexpected, false, ""},
		kmspb.CryptoKeyVersion_CRYPTO_KEY_VERSION_STATE_UNSPECIFIED: {broker.RemoteUnexpected, false, ""},
		77: {broker.RemoteUnexpected, false, ""},
	}
	for n := range kmspb.CryptoKeyVersion_CryptoKeyVersionState_name {
		if _, ok := want[kmspb.CryptoKeyVersion_CryptoKeyVersionState(n)]; !ok {
			t.Errorf("state %d is not tried", n)
		}
	}
	for state, words := range want {
		answers := about(keyName)
		v := answers["GetCryptoKeyVersion"].(*kmspb.CryptoKeyVersion)
		v.State, v.ImportFailureReason, v.GenerationFailureReason = state, "it could not be unwrapped\x1b[2J", "no entropy"
		v.ReimportEligible = state == kmspb.CryptoKeyVersion_DESTROYED
		seen, err := look(t, adapter(t, newScript(t, saying(answers))), broker.Query{Version: new(numbered("1"))})
		if err != nil || len(seen) != 1 {
			t.Errorf("%s: %v, %v", state, seen, err)
			continue
		}
		o := seen[0]
		if o.Restorable != v.GetReimportEligible() {
			t.Errorf("%s: restorable %v", state, o.Restorable)
		}
		if o.State != words.state || o.Raw != state.String() || o.HasMaterial != words.material || !strings.Contains(o.Reason, words.reason) ||
			words.reason == "" != (o.Reason == "") || strings.ContainsFunc(o.Reason, unicode.IsControl) {
			t.Errorf("%s is seen as %s (%s), material %v: %s", state, o.State, o.Raw, o.HasMaterial, o.Reason)
		}
	}
}

// TestAnObservation says all that Google does.
func TestAnObservation(t *testing.T) {
	t.Parallel()
	answers := about(keyName)
	key, v := answers["GetCryptoKey"].(*kmspb.CryptoKey), answers["GetCryptoKeyVersion"].(*kmspb.CryptoKeyVersion)
	at := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	key.Labels["team"], key.Labels["keyferry-key"] = "payments", "payments"
	v.CreateTime, v.DestroyTime = timestamppb.New(at), timestamppb.New(at.Add(24*time.Hour))
	seen, err := look(t, adapter(t, newScript(t, saying(answers))), broker.Query{Version: new(numbered("1"))})
	if err != nil || len(seen) != 1 {
		t.Fatalf("%v, %v", seen, err)
	}
	o := seen[0]
	if o.Version != numbered("1") || o.Effect != effect(broker.StepPrepare).ID() || o.KeyID != macKey().KeyID || o.Name != "payments" || o.Batch != jobName ||
		!maps.Equal(o.Tags, map[string]string{"team": "payments"}) || o.Origin != broker.OriginExternal || !o.PolicyMatch ||
		o.Spec != broker.HMAC256 || o.Purpose != broker.MAC || !o.CreatedAt.Equal(at) || !o.DeletionAt.Equal(at.Add(24*time.Hour)) ||
		!slices.Equal(o.Consumers, []string{keyName + "/cryptoKeyVersions/1"}) || o.SeenAt.IsZero() || o.Receipt.Call == "" {
		t.Errorf("%+v", o)
	}
}

// TestOthersAreToldApart: what Google made, what is not as we make it, what the broker
// has no words for.
func TestOthersAreToldApart(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		change func(*kmspb.CryptoKey, *kmspb.CryptoKeyVersion)
		apart  func(broker.Observation) bool
	}{
		"generated":       {func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ImportJob = "" }, func(o broker.Observation) bool { return o.Origin == broker.OriginProvider && o.Batch == "" }},
		"not import-only": {func(k *kmspb.CryptoKey, _ *kmspb.CryptoKeyVersion) { k.ImportOnly = false }, func(o broker.Observation) bool { return !o.PolicyMatch }},
		"of another level": {func(k *kmspb.CryptoKey, _ *kmspb.CryptoKeyVersion) {
			k.VersionTemplate.ProtectionLevel = kmspb.ProtectionLevel_EXTERNAL
		}, func(o broker.Observation) bool { return !o.PolicyMatch }},
		"post-quantum": {func(k *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			k.Purpose, v.Algorithm = kmspb.CryptoKey_ASYMMETRIC_SIGN, kmspb.CryptoKeyVersion_PQ_SIGN_ML_DSA_65
		}, func(o broker.Observation) bool { return o.Spec == "" && o.Purpose == broker.Sign }},
		"for what we do not know": {func(k *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			k.Purpose, v.Algorithm = kmspb.CryptoKey_KEY_ENCAPSULATION, kmspb.CryptoKeyVersion_ML_KEM_768
		}, func(o broker.Observation) bool { return o.Spec == "" && o.Purpose == "" }},
		"an algorithm of another purpose": {func(k *kmspb.CryptoKey, _ *kmspb.CryptoKeyVersion) { k.Purpose = kmspb.CryptoKey_ENCRYPT_DECRYPT }, func(o broker.Observation) bool { return o.Spec == "" }},
	} {
		answers := about(keyName)
		x.change(answers["GetCryptoKey"].(*kmspb.CryptoKey), answers["GetCryptoKeyVersion"].(*kmspb.CryptoKeyVersion))
		seen, err := look(t, adapter(t, newScript(t, saying(answers))), broker.Query{Version: new(numbered("1"))})
		if err != nil || len(seen) != 1 || !x.apart(seen[0]) {
			t.Errorf("%s: %+v, %v", name, seen, err)
		}
	}
}

// ids are the versions that were seen, in order.
func ids(seen []broker.Observation) []string {
	var out []string
	for _, o := range seen {
		out = append(out, o.Version.ID)
	}
	return out
}

// TestWhichVersionCounts: the primary, else the newest by number; consumers get the
// primary or nothing.
func TestWhichVersionCounts(t *testing.T) {
	t.Parallel()
	many := []kmspb.CryptoKeyVersion_CryptoKeyVersionState{1, 1, 1}
	primary := func(a asking) (proto.Message, error) {
		if a.rpc == "GetCryptoKey" {
			return symmetric("2"), nil
		}
		return versioned("", many...)(a)
	}
	unordered := func(a asking) (proto.Message, error) {
		m, err := versioned("", many...)(a)
		if list, ok := m.(*kmspb.ListCryptoKeyVersionsResponse); ok {
			list = proto.CloneOf(list)
			list.CryptoKeyVersions[0].Name, list.CryptoKeyVersions[1].Name = keyName+"/cryptoKeyVersions/10", keyName+"/cryptoKeyVersions/9"
			return list, err
		}
		return m, err
	}
	for name, x := range map[string]struct {
		answer answering
		q      broker.Query
		want   []string
	}{
		"key with a primary":       {primary, broker.Query{Key: ref()}, []string{"2"}},
		"name with a primary":      {primary, broker.Query{Name: "payments"}, []string{"2"}},
		"consumers of the primary": {primary, broker.Query{Consumer: keyName}, []string{"2"}},
		"key without":              {unordered, broker.Query{Key: ref()}, []string{"10"}},
		"version that is not said": {unordered, broker.Query{Version: &broker.VersionRef{Key: *ref()}}, []string{"10"}},
		"consumers without":        {unordered, broker.Query{Consumer: keyName}, nil},
		"all versions":             {unordered, broker.Query{Versions: ref()}, []string{"3", "9", "10"}},
		"no version":               {versioned(""), broker.Query{Key: ref()}, []string{""}},
		"of no version":            {versioned(""), broker.Query{Versions: ref()}, nil},
	} {
		seen, err := look(t, adapter(t, newScript(t, x.answer)), x.q)
		if err != nil || !slices.Equal(ids(seen), x.want) {
			t.Errorf("%s: %v, %v", name, ids(seen), err)
		}
	}
	o, err := look(t, adapter(t, newScript(t, primary)), broker.Query{Versions: ref()})
	if err != nil || len(o) != 3 || o[0].Consumers != nil || !slices.Equal(o[1].Consumers, []string{keyName}) || o[2].Consumers != nil {
		t.Errorf("consumers: %+v, %v", o, err)
	}
}

// TestAnEffectIsFoundByItsLabel, and nothing else.
func TestAnEffectIsFoundByItsLabel(t *testing.T) {
	t.Parallel()
	other := whole(ringName + "/cryptoKeys/other")
	other.Labels["keyferry-effect"] = "kf-0"
	list := &kmspb.ListCryptoKeysResponse{CryptoKeys: []*kmspb.CryptoKey{other, whole(keyName), {Name: ringName + "/cryptoKeys/bare"}}}
	s := newScript(t, saying(map[string]proto.Message{"ListCryptoKeys": list, "ListCryptoKeyVersions": &kmspb.ListCryptoKeyVersionsResponse{}}))
	seen, err := look(t, adapter(t, s), broker.Query{Effect: effect(broker.StepPrepare).ID()})
	if err != nil || len(seen) != 1 || seen[0].Version.Key != *ref() || len(s.asked()) != 2 {
		t.Errorf("%+v, %v after %v", seen, err, s.rpcs())
	}
}

// TestKeysThatMayNotBeRead come last, without their versions; where that is all of
// them, it is the answer.
func TestKeysThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	answer := func(readable string) answering {
		return func(a asking) (proto.Message, error) {
			in, ok := a.in.(*kmspb.ListCryptoKeyVersionsRequest)
			switch {
			case !ok:
				return &kmspb.ListCryptoKeysResponse{CryptoKeys: []*kmspb.CryptoKey{whole(ringName + "/cryptoKeys/secret"), whole(keyName)}}, nil
			case in.GetParent() == readable:
				return &kmspb.ListCryptoKeyVersionsResponse{}, nil
			default:
				return nil, status.Error(codes.PermissionDenied, "no")
			}
		}
	}
	seen, err := look(t, adapter(t, newScript(t, answer(keyName))), broker.Query{All: true})
	if err != nil || len(seen) != 2 || seen[0].Version.Key != *ref() || seen[1].State != broker.RemoteUnexpected || seen[1].Reason == "" {
		t.Errorf("%+v, %v", seen, err)
	}
	if _, err := look(t, adapter(t, newScript(t, answer(""))), broker.Query{All: true}); inWords(t, err).Permission != "cloudkms.cryptoKeyVersions.list" {
		t.Errorf("%v", err)
	}
	if seen, err := look(t, adapter(t, newScript(t, saying(map[string]proto.Message{"ListCryptoKeys": &kmspb.ListCryptoKeysResponse{}}))), broker.Query{All: true}); err != nil || len(seen) > 0 {
		t.Errorf("an empty ring: %v, %v", seen, err)
	}
}

// TestLookingCanStop at any key.
func TestLookingCanStop(t *testing.T) {
	t.Parallel()
	list := &kmspb.ListCryptoKeysResponse{}
	for i := range 20 {
		list.CryptoKeys = append(list.CryptoKeys, whole(ringName+"/cryptoKeys/k"+string(rune('a'+i))))
	}
	s := newScript(t, saying(map[string]proto.Message{"ListCryptoKeys": list, "ListCryptoKeyVersions": &kmspb.ListCryptoKeyVersionsResponse{}}))
	for _, err := range adapter(t, s).Look(t.Context(), broker.Query{All: true}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if asked := len(s.asked()); asked > 9 {
		t.Errorf("asked %d times", asked)
	}
}

// FuzzNames: whatever a ring answers a key to be named, it is ours or Tampered.
func FuzzNames(f *testing.F) {
	f.Add(keyName)
	f.Add(keyName + "/cryptoKeyVersions/1")
	f.Add("projects/x/locations/y/keyRings/z/cryptoKeys/k")
	f.Add(ringName + "/cryptoKeys/\x00")
	p, err := gcpkms.Open(f.Context(), base())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(p.Close)
	f.Fuzz(func(t *testing.T, name string) {
		v := broker.VersionRef{Key: broker.KeyRef{ID: name}}
		_, err := p.Do(t.Context(), effect(broker.StepEnable), v, broker.Action{Kind: "polish"})
		id, inRing := strings.CutPrefix(name, ringName+"/cryptoKeys/")
		clean := inRing && id != "" && len(id) <= 63 && !strings.ContainsFunc(id, func(r rune) bool {
			return r != '_' && r != '-' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
		})
		want := broker.Tampered
		if clean {
			want = broker.Unsupported
		}
		if broker.KindOf(err) != want {
			t.Errorf("%q: %v", name, err)
		}
	})
}
