package azurekv_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/providers/azurekv"
)

// one is the only thing that a query yields.
func one(t *testing.T, p *azurekv.Provider, q broker.Query) broker.Observation {
	t.Helper()
	seen, err := look(t, p, q)
	if err != nil || len(seen) != 1 {
		t.Fatalf("%d things, %v", len(seen), err)
	}
	return seen[0]
}

func do(t *testing.T, p *azurekv.Provider, v broker.VersionRef, a broker.Action) {
	t.Helper()
	if _, err := p.Do(t.Context(), effect(broker.StepEnable), v, a); err != nil {
		t.Fatal(err)
	}
}

// TestSeesWhatWasImported, with all that is known of it.
func TestSeesWhatWasImported(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	m := filled(t, e.provider, ecKey())
	o := one(t, e.provider, broker.Query{Version: &m.v})
	in := ecKey()
	if o.Version != m.v || o.Effect != effect(broker.StepImport).ID() || o.Name != in.Name || o.KeyID != in.KeyID || o.Origin != broker.OriginExternal {
		t.Errorf("%+v", o)
	}
	if o.State != broker.RemoteEnabled || !o.HasMaterial || o.Spec != in.Spec || o.Purpose != in.Purpose || o.Consumer != m.v.Key.ID {
		t.Errorf("%+v", o)
	}
	if !maps.Equal(o.Tags, in.Tags) || o.CreatedAt.IsZero() || o.SeenAt.IsZero() || o.Receipt.RequestID == "" || !o.DeletionAt.IsZero() {
		t.Errorf("%+v", o)
	}
}

// TestSeesAKEKAsWhatItIs: any version of the name, by whichever query, and no other key.
func TestSeesAKEKAsWhatItIs(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	m := filled(t, e.provider, ecKey())
	kek, err := e.provider.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{Key: m.v.Key, Mechanism: broker.KWPSHA1})
	if err != nil {
		t.Fatal(err)
	}
	marked, err := look(t, e.provider, broker.Query{Effect: effect(broker.StepFetch).ID()}) // of this one, and of the one that filled made
	if err != nil || !slices.ContainsFunc(marked, func(o broker.Observation) bool { return o.WrappingKey == kek.Ref }) {
		t.Fatalf("%+v, %v", marked, err)
	}
	seen, err := look(t, e.provider, broker.Query{Versions: &marked[0].Version.Key})
	if err != nil || len(seen) < 2 {
		t.Fatalf("%d versions, %v", len(seen), err)
	}
	for _, o := range seen {
		if o.WrappingKey != o.Version.Key.ID+"/"+o.Version.ID {
			t.Errorf("%+v", o)
		}
	}
	all, err := look(t, e.provider, broker.Query{All: true})
	for _, o := range all {
		if (o.WrappingKey == "") != (o.Version.Key == m.v.Key) {
			t.Errorf("%+v", o)
		}
	}
	if err != nil || len(all) != 2 {
		t.Errorf("%d keys, %v", len(all), err)
	}
}

// TestSeesItsTimes: past its end, or before its time, it is enabled all the same.
func TestSeesItsTimes(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	request, err := wrapped(t.Context(), t, e.provider, ecKey(), material(t, broker.ECP256))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	request.ValidFrom, request.ValidTo = now.Add(time.Hour), now.Add(2*time.Hour)
	done, err := e.provider.Import(t.Context(), effect(broker.StepImport), request)
	if err != nil {
		t.Fatal(err)
	}
	for after, raw := range map[time.Duration]string{0: "before its time", 90 * time.Minute: "enabled", 3 * time.Hour: "past its end"} {
		e.ahead.Store(int64(after))
		o := one(t, e.provider, broker.Query{Version: &done.Version})
		if o.State != broker.RemoteEnabled || !strings.HasSuffix(o.Raw, raw) || !o.ValidFrom.Equal(request.ValidFrom) || !o.ValidTo.Equal(request.ValidTo) {
			t.Errorf("after %s: %s, %q, %s to %s", after, o.State, o.Raw, o.ValidFrom, o.ValidTo)
		}
	}
}

// TestSeesWhatIsDeleted by its name, its key, its version, and among all; consumers get
// nothing of it. Of a version that is not shown nothing more is said.
func TestSeesWhatIsDeleted(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	first := filled(t, e.provider, ecKey()).v
	second := filled(t, e.provider, ecKey()).v
	do(t, e.provider, broker.VersionRef{Key: first.Key}, broker.Action{Kind: broker.Schedule})
	for name, q := range map[string]broker.Query{"name": {Name: "payments-db"}, "key": {Key: &first.Key}, "version": {Version: &second}, "earlier": {Version: &first}} {
		o := one(t, e.provider, q)
		if o.State != broker.RemoteScheduled || o.Consumer != "" || time.Until(o.DeletionAt).Abs() > 8*24*time.Hour || o.Version.Key != first.Key {
			t.Errorf("by %s: %+v", name, o)
		}
		if known := name != "earlier"; (o.Effect != "") != known || o.Spec != broker.ECP256 {
			t.Errorf("by %s: effect %q, spec %s", name, o.Effect, o.Spec)
		}
	}
	all, err := look(t, e.provider, broker.Query{All: true})
	all = slices.DeleteFunc(all, func(o broker.Observation) bool { return o.Version.Key != first.Key })
	if err != nil || len(all) != 1 || all[0].State != broker.RemoteScheduled || all[0].Spec != broker.ECP256 || all[0].KeyID != ecKey().KeyID {
		t.Errorf("among all: %+v, %v", all, err)
	}
	for name, q := range map[string]broker.Query{"consumer": {Consumer: first.Key.ID}, "versions": {Versions: &first.Key}, "effect": {Effect: effect(broker.StepImport).ID()}} {
		if seen, err := look(t, e.provider, q); err != nil || len(seen) > 0 {
			t.Errorf("by %s: %v, %v", name, seen, err)
		}
	}
}

// TestTakesItsTimeToDelete: until a deletion or recovery is done, the name is neither
// free nor taken for good, and whoever asks is told to come again.
func TestTakesItsTimeToDelete(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	e.configure(t, azureemu.Settings{DeleteDelay: 3600, RecoverDelay: 3600})
	v := filled(t, e.provider, ecKey()).v
	request, err := wrapped(t.Context(), t, e.provider, ecKey(), material(t, broker.ECP256))
	if err != nil {
		t.Fatal(err)
	}
	again := func(kind broker.Kind) {
		t.Helper()
		if _, err := e.provider.Import(t.Context(), effect(broker.StepImport), request); !errors.Is(err, kind) {
			t.Errorf("%v", err)
		}
	}
	whole := broker.VersionRef{Key: v.Key}
	do(t, e.provider, whole, broker.Action{Kind: broker.Schedule})
	again(broker.Unavailable)
	if _, err := e.provider.Do(t.Context(), effect(broker.StepEnable), whole, broker.Action{Kind: broker.Cancel}); !errors.Is(err, broker.Unavailable) {
		t.Errorf("recover meanwhile: %v", err)
	}
	e.target().Advance(2 * time.Hour)
	again(broker.Conflict)
	do(t, e.provider, whole, broker.Action{Kind: broker.Cancel})
	again(broker.Unavailable)
	e.target().Advance(2 * time.Hour)
	if o := one(t, e.provider, broker.Query{Version: &v}); o.State != broker.RemoteEnabled {
		t.Errorf("%+v", o)
	}
}

// TestMarkBelowANewerVersion without one is found: somebody else may have made that.
func TestMarkBelowANewerVersion(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	m := filled(t, e.provider, ecKey())
	if _, err := e.client(t).CreateKey(t.Context(), "payments-db", azkeys.CreateKeyParameters{Kty: new(azkeys.KeyTypeECHSM)}, nil); err != nil {
		t.Fatal(err)
	}
	if o := one(t, e.provider, broker.Query{Effect: effect(broker.StepImport).ID()}); o.Version != m.v {
		t.Errorf("%+v", o)
	}
	o := one(t, e.provider, broker.Query{Consumer: m.v.Key.ID})
	if o.Version == m.v || o.Origin != broker.OriginProvider || o.Effect != "" {
		t.Errorf("consumers get %+v", o)
	}
}

// TestMarkOfAKEK is of its fetch.
func TestMarkOfAKEK(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	w, err := e.provider.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{
		Key: broker.KeyRef{ID: e.config.VaultURL + "/keys/x"}, Mechanism: broker.KWPSHA1,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := one(t, e.provider, broker.Query{Effect: effect(broker.StepFetch).ID()})
	if o.Version.Key.ID+"/"+o.Version.ID != w.Ref || o.KeyID != "" || o.Origin != broker.OriginProvider || o.Purpose != "" {
		t.Errorf("%+v", o)
	}
}

// TestDisabledAndNotShown: where a vault shows no disabled version, its lists do.
func TestDisabledAndNotShown(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	e.configure(t, azureemu.Settings{RefuseDisabled: true})
	first := filled(t, e.provider, ecKey()).v
	e.target().Advance(2 * time.Second) // a vault tells their order in seconds
	newest := filled(t, e.provider, ecKey()).v
	for _, v := range []broker.VersionRef{first, newest} {
		do(t, e.provider, v, broker.Action{Kind: broker.Disable})
	}
	for name, q := range map[string]broker.Query{"version": {Version: &newest}, "key": {Key: &newest.Key}, "name": {Name: "payments-db"}, "consumer": {Consumer: newest.Key.ID}} {
		o := one(t, e.provider, q)
		if o.Version != newest || o.State != broker.RemoteDisabled || o.Spec != broker.ECP256 || o.KeyID != ecKey().KeyID {
			t.Errorf("by %s: %+v", name, o)
		}
	}
	if o := one(t, e.provider, broker.Query{Version: &first}); o.Version != first || o.State != broker.RemoteDisabled {
		t.Errorf("%+v", o)
	}
	for name, q := range map[string]broker.Query{"versions": {Versions: &first.Key}, "effect": {Effect: effect(broker.StepImport).ID()}} {
		if seen, err := look(t, e.provider, q); err != nil || len(seen) != 2 {
			t.Errorf("by %s: %v, %v", name, seen, err)
		}
	}
	do(t, e.provider, first, broker.Action{Kind: broker.Enable})
	if o := one(t, e.provider, broker.Query{Version: &first}); o.State != broker.RemoteEnabled {
		t.Errorf("enabled again: %+v", o)
	}
}

// TestDisabledInOneSecond: what is not shown for being disabled is a disabled version,
// wherever it stands among others of its second; of two it is said that they are two.
func TestDisabledInOneSecond(t *testing.T) {
	t.Parallel()
	const one, other, third = "0000000000000000000000000000000a", "0000000000000000000000000000000b", "0000000000000000000000000000000c"
	entry := func(s *script, version string, enabled bool, created int64) object {
		return object{"kid": s.ref().ID + "/" + version, "attributes": object{"enabled": enabled, "created": created}, "tags": object{}}
	}
	for name, x := range map[string]struct {
		versions func(s *script) []object
		want     string
		raw      string
	}{
		"first": {func(s *script) []object { return []object{entry(s, one, false, 9), entry(s, other, true, 9)} }, one, "disabled"},
		"last":  {func(s *script) []object { return []object{entry(s, one, true, 9), entry(s, other, false, 9)} }, other, "disabled"},
		"older": {func(s *script) []object { return []object{entry(s, one, false, 9), entry(s, other, false, 8)} }, one, "disabled"},
		"newer": {func(s *script) []object { return []object{entry(s, one, false, 8), entry(s, other, false, 9)} }, other, "disabled"},
		"two":   {func(s *script) []object { return []object{entry(s, one, false, 9), entry(s, other, false, 9)} }, one, "one of them"},
		"two of": {func(s *script) []object {
			return []object{entry(s, one, false, 8), entry(s, other, false, 9), entry(s, third, false, 9)}
		}, other, "one of them"},
		"none": {func(s *script) []object { return []object{entry(s, one, true, 9)} }, "", ""},
	} {
		var s *script
		s = newScript(t, func(a asking, w http.ResponseWriter) {
			if a.action == "ListKeyVersions" {
				_, _ = w.Write([]byte(object{"value": x.versions(s)}.String()))
				return
			}
			failing(http.StatusForbidden, "Forbidden", "KeyDisabled", "")(a, w)
		})
		seen, err := look(t, adapter(t, s), broker.Query{Key: new(s.ref())})
		if x.want == "" {
			if len(seen) > 0 || inWords(t, err).Kind != broker.Unavailable {
				t.Errorf("%s: %+v, %v", name, seen, err)
			}
			continue
		}
		if err != nil || len(seen) != 1 || seen[0].Version.ID != x.want || seen[0].State != broker.RemoteDisabled || !strings.Contains(seen[0].Raw, x.raw) {
			t.Errorf("%s: %+v, %v", name, seen, err)
		}
		if ambiguous := x.raw != "disabled"; strings.Contains(seen[0].Raw, "one of them") != ambiguous {
			t.Errorf("%s: %q", name, seen[0].Raw)
		}
	}
}

// TestSpecsThatAreShown: what a key is, the vault says; the size of a secret alone is as
// its tag says, where that can be.
func TestSpecsThatAreShown(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		key  object
		tag  string
		want broker.KeySpec
	}{
		"a curve":               {object{}, "", broker.ECP256},
		"a curve, mislabeled":   {object{}, "rsa-4096", broker.ECP256},
		"another curve":         {object{"kty": "EC", "crv": "P-521"}, "", broker.ECP521},
		"an unknown curve":      {object{"crv": "P-256K"}, "ec-p256", ""},
		"no curve":              {object{"crv": nil}, "ec-p256", ""},
		"RSA":                   {object{"kty": "RSA-HSM", "n": base64url(append([]byte{0x80}, make([]byte, 383)...)), "e": "AQAB"}, "", broker.RSA3072},
		"RSA of no size":        {object{"kty": "RSA", "n": base64url(append([]byte{1}, make([]byte, 383)...)), "e": "AQAB"}, "rsa-3072", ""},
		"a secret":              {object{"kty": "oct-HSM"}, "aes-256", broker.AES256},
		"a smaller secret":      {object{"kty": "oct-HSM"}, "aes-128", broker.AES128},
		"a secret, unsaid":      {object{"kty": "oct-HSM"}, "", ""},
		"a secret that signs":   {object{"kty": "oct-HSM"}, "hmac-256", ""},
		"a secret with a curve": {object{"kty": "oct-HSM"}, "ec-p256", ""},
		"Ed25519":               {object{"kty": "OKP-HSM", "crv": "Ed25519"}, "ed25519", ""},
		"no type":               {object{"kty": nil}, "ec-p256", ""},
	} {
		var s *script
		s = newScript(t, func(_ asking, w http.ResponseWriter) {
			b := ecBundle(s.ref().ID + "/" + someVersion)
			b["key"], b["tags"] = b["key"].(object).with(x.key), object{"keyferry-spec": x.tag}
			_, _ = w.Write([]byte(b.String()))
		})
		if o := one(t, adapter(t, s), broker.Query{Key: new(s.ref())}); o.Spec != x.want {
			t.Errorf("%s: %q", name, o.Spec)
		}
	}
}

// TestQueriesThatAreNone.
func TestQueriesThatAreNone(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(http.StatusTeapot, "", "", ""))
	p := adapter(t, s)
	if _, err := look(t, p, broker.Query{}); inWords(t, err).Kind != broker.Misuse {
		t.Errorf("%v", err)
	}
	for _, q := range []broker.Query{{Name: "a b"}, {Consumer: "payments"}, {Version: &broker.VersionRef{Key: s.ref(), ID: "1"}}} {
		if seen, err := look(t, p, q); err != nil || len(seen) > 0 {
			t.Errorf("%+v: %v, %v", q, seen, err)
		}
	}
	if len(s.asked()) > 0 {
		t.Errorf("sent %v", s.asked())
	}
}

// TestNeverRotates: in everything that is done to keys no version is made but by an
// import.
func TestNeverRotates(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	v := filled(t, e.provider, ecKey()).v
	for _, a := range []broker.Action{{Kind: broker.Activate}, {Kind: broker.Deactivate}, {Kind: broker.DeleteMaterial}, {Kind: "rotate"}} {
		if _, err := e.provider.Do(t.Context(), effect(broker.StepActivate), v, a); !errors.Is(err, broker.Unsupported) {
			t.Errorf("%s: %v", a.Kind, err)
		}
	}
	for _, a := range []broker.Action{{Kind: broker.Disable}, {Kind: broker.Enable}, {Kind: broker.SetEnd, ValidTo: time.Now().Add(time.Hour)}} {
		do(t, e.provider, v, a)
	}
	if seen, err := look(t, e.provider, broker.Query{Versions: &v.Key}); err != nil || len(seen) != 1 {
		t.Errorf("%v, %v", seen, err)
	}
	for _, action := range []string{"RotateKey", "UpdateKeyRotationPolicy", "PurgeDeletedKey", "BackupKey"} {
		if calls, err := e.admin.Calls(t.Context(), faults.CallQuery{Match: faults.Match{Action: action}}); err != nil || len(calls) > 0 {
			t.Errorf("%s: %v, %v", action, calls, err)
		}
	}
}
