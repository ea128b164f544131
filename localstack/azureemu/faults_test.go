package azureemu_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"pgregory.net/rapid"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
)

func on(action string, kind faults.Kind) faults.Rule {
	return faults.Rule{Match: faults.Match{Service: "keyvault", Action: action, Region: azureemu.DefaultPremium}, Kind: kind}
}

// versions is how many versions a key has, by what the emulator reports.
func (e *emulator) versions(name string) int {
	e.Helper()
	n := 0
	for _, k := range emutest.Must(e.admin.Report(e.Context()))(e.T).Keys {
		if k.Name == name {
			n += k.Commits["CreateKey"]
		}
	}
	return n
}

// Each kind of fault does to a creation what it says.
func TestEveryKindOfFault(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	emutest.Must(c.CreateKey(t.Context(), "warm-up", ecKey(), nil))(t)
	for name, tt := range map[string]struct {
		rule   faults.Rule
		status int // 0: no whole answer
		made   int
	}{
		"fail-before":  {faults.Rule{Kind: faults.Fail, Code: "InternalServerError"}, 500, 0},
		"fail-after":   {faults.Rule{Kind: faults.Fail, Code: "InternalServerError", When: faults.After}, 500, 1},
		"fail-odd":     {faults.Rule{Kind: faults.Fail, Code: "Strange", Status: 418}, 418, 0},
		"drop-before":  {faults.Rule{Kind: faults.Drop}, 0, 0},
		"drop-after":   {faults.Rule{Kind: faults.Drop, When: faults.After}, 0, 1},
		"delay-before": {faults.Rule{Kind: faults.Delay, After: 0.01}, 200, 1},
		"delay-after":  {faults.Rule{Kind: faults.Delay, After: 0.01, When: faults.After}, 200, 1},
		"throttle":     {faults.Rule{Kind: faults.Throttle}, 429, 0},
		"throttle-say": {faults.Rule{Kind: faults.Throttle, RetryAfter: 7}, 429, 0},
		"deny":         {faults.Rule{Kind: faults.Deny}, 403, 0},
		"truncate":     {faults.Rule{Kind: faults.Truncate}, 0, 1},
		"slow":         {faults.Rule{Kind: faults.Slow, After: 0.01}, 200, 1},
		"lie":          {faults.Rule{Kind: faults.Lie}, 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			tt.rule.Match = faults.Match{Service: "keyvault", Action: "CreateKey", Key: name}
			emutest.Must(e.admin.Add(t.Context(), tt.rule))(t)
			_, err := c.CreateKey(t.Context(), name, ecKey(), nil)
			var api *azcore.ResponseError
			got := 0
			switch {
			case err == nil:
				got = 200
			case errors.As(err, &api):
				got = api.StatusCode
			}
			if got != tt.status || e.versions(name) != tt.made {
				t.Errorf("%d and %d versions (%v), want %d and %d", got, e.versions(name), err, tt.status, tt.made)
			}
			if got == http.StatusTooManyRequests && (api.RawResponse.Header.Get("Retry-After") == "7") != (tt.rule.RetryAfter == 7) {
				t.Errorf("Retry-After %q", api.RawResponse.Header.Get("Retry-After"))
			}
		})
	}
}

// A held call waits; a late one commits when its client is long gone.
func TestHeldAndLate(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	emutest.Must(c.CreateKey(t.Context(), "warm-up", ecKey(), nil))(t)
	held := emutest.Must(e.admin.Add(t.Context(), on("CreateKey", faults.Hold)))(t)
	var wait sync.WaitGroup
	wait.Go(func() {
		if _, err := c.CreateKey(t.Context(), "held", ecKey(), nil); err != nil {
			t.Errorf("held: %v", err)
		}
	})
	emutest.Must(e.admin.Wait(t.Context(), faults.CallQuery{Match: faults.Match{Key: "held"}, State: faults.Held}))(t)
	if e.versions("held") != 0 {
		t.Error("it was not held")
	}
	if err := e.admin.Release(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	rule := on("CreateKey", faults.Late)
	rule.After, rule.Clock = 60, faults.Emulator
	emutest.Must(e.admin.Add(t.Context(), rule))(t)
	if _, err := c.CreateKey(t.Context(), "late", ecKey(), nil); err == nil {
		t.Error("a late call was answered")
	}
	if e.versions("late") != 0 {
		t.Error("it was not late")
	}
	e.advance(2 * time.Minute)
	emutest.Must(e.admin.Wait(t.Context(), faults.CallQuery{Match: faults.Match{Key: "late"}, Committed: true}))(t)
	if e.versions("late") != 1 {
		t.Error("it never came")
	}
}

// A late commit after a reset lands in what is there then.
func TestLateAcrossVaultsThatWereMadeAnew(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	rule := on("CreateKey", faults.Late)
	rule.After = 3600
	id := emutest.Must(e.admin.Add(t.Context(), rule))(t)
	if _, err := c.CreateKey(t.Context(), "late", ecKey(), nil); err == nil {
		t.Error("a late call was answered")
	}
	e.configure(azureemu.Change{Vaults: []azureemu.Vault{{Name: azureemu.DefaultPremium, Mode: azureemu.Premium, RetentionDays: 9}}})
	if err := e.admin.Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := emutest.Must(c.GetKey(t.Context(), "late", "", nil))(t); *got.Attributes.RecoverableDays != 9 {
		t.Errorf("it landed elsewhere: %+v", got.Attributes)
	}
}

func TestLies(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	kty, size := azkeys.KeyTypeRSA, int32(2048)
	made := emutest.Must(c.CreateKey(t.Context(), "a", azkeys.CreateKeyParameters{Kty: &kty, KeySize: &size}, nil))(t)
	emutest.Must(e.admin.Add(t.Context(), on("GetKey", faults.Lie)))(t)
	if got := emutest.Must(c.GetKey(t.Context(), "a", "", nil))(t); string(got.Key.N) == string(made.Key.N) || len(got.Key.N) != len(made.Key.N) {
		t.Error("the public key is the true one")
	}
	alg, digest := azkeys.SignatureAlgorithmPS256, emutest.Random(32)
	emutest.Must(e.admin.Add(t.Context(), on("Sign", faults.Lie)))(t)
	false1 := emutest.Must(c.Sign(t.Context(), "a", "", azkeys.SignParameters{Algorithm: &alg, Value: digest}, nil))(t).Result
	verify := func() bool {
		return *emutest.Must(c.Verify(t.Context(), "a", "", azkeys.VerifyParameters{Algorithm: &alg, Digest: digest, Signature: false1}, nil))(t).Value
	}
	if verify() {
		t.Error("the signature is a true one")
	}
	emutest.Must(e.admin.Add(t.Context(), on("Verify", faults.Lie)))(t)
	if !verify() {
		t.Error("a wrong signature was told to be wrong")
	}
	emutest.Must(e.admin.Add(t.Context(), on("DeleteKey", faults.Lie)))(t)
	_, err := c.DeleteKey(t.Context(), "none", nil)
	refused(t, err, 404, "KeyNotFound")
}

// Rules match by tag, whether the call brings it or the key has it.
func TestRulesMatchTags(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	rule := on("", faults.Deny)
	rule.Match.Tags, rule.Count = map[string]string{"effect": "e1"}, -1
	emutest.Must(e.admin.Add(t.Context(), rule))(t)
	in := ecKey()
	emutest.Must(c.CreateKey(t.Context(), "a", in, nil))(t)
	in.Tags = map[string]*string{"effect": new("e1")}
	_, err := c.CreateKey(t.Context(), "a", in, nil)
	refused(t, err, http.StatusForbidden, "Forbidden")
	if err := e.admin.Remove(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	made := emutest.Must(c.CreateKey(t.Context(), "a", in, nil))(t)
	emutest.Must(e.admin.Add(t.Context(), rule))(t)
	_, err = c.GetKey(t.Context(), "a", "", nil)
	refused(t, err, http.StatusForbidden, "Forbidden")
	calls := emutest.Must(e.admin.Calls(t.Context(), faults.CallQuery{Match: faults.Match{Action: "GetKey"}}))(t)
	if want := e.server.URL(azureemu.DefaultPremium) + "/keys/a"; calls[0].KeyID != want || string(*made.Key.KID)[:len(want)] != want {
		t.Errorf("key id %s, want %s", calls[0].KeyID, want)
	}
}

// In any ten seconds that a window begins, no more than the limit goes through.
func TestQuotaIsKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 20).Draw(rt, "limit")
		weight := rapid.IntRange(1, 8).Draw(rt, "weight")
		n := rapid.IntRange(0, 100).Draw(rt, "requests")
		if got, most := azureemu.Taken(float64(limit), float64(weight), time.Now(), make([]time.Duration, n)), min(n, limit/weight); got != most {
			rt.Errorf("%d at once, want %d", got, most)
		}
		pauses := make([]time.Duration, n)
		for i := range pauses {
			pauses[i] = 10 * time.Second
		}
		if got := azureemu.Taken(float64(limit), float64(weight), time.Now(), pauses); weight <= limit && got != n {
			rt.Errorf("%d of %d, one in ten seconds", got, n)
		}
	})
}

// Many at once, while vaults are emptied: nothing is raced and every answer is whole.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPool)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			name := string(rune('a' + i%3))
			for range 10 {
				kty := azkeys.KeyTypeECHSM
				if _, err := c.CreateKey(ctx, name, azkeys.CreateKeyParameters{Kty: &kty}, nil); err != nil {
					t.Errorf("create: %v", err)
				}
				if _, err := c.GetKey(ctx, name, "", nil); err != nil {
					var api *azcore.ResponseError
					if !errors.As(err, &api) || api.StatusCode != http.StatusNotFound {
						t.Errorf("get: %v", err)
					}
				}
			}
		})
	}
	for range 3 {
		e.configure(azureemu.Change{Vaults: []azureemu.Vault{{Name: azureemu.DefaultPool, Mode: azureemu.HSM}}, Settings: &azureemu.Settings{}})
		if err := e.admin.Reset(ctx); err != nil {
			t.Error(err)
		}
	}
	wait.Wait()
}
