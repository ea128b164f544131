package azureemu_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

// An update changes what it names, and when the version was updated.
func TestUpdateIsDated(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	in := ecKey()
	in.Tags = map[string]*string{"a": new("b")}
	made := emutest.Must(c.CreateKey(t.Context(), "a", in, nil))(t)
	e.advance(time.Hour)
	off := false
	got := emutest.Must(c.UpdateKey(t.Context(), "a", "", azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: &off}}, nil))(t)
	if passed := got.Attributes.Updated.Sub(*made.Attributes.Updated); passed < 59*time.Minute || !got.Attributes.Created.Equal(*made.Attributes.Created) {
		t.Errorf("updated %s later, created %s", passed, got.Attributes.Created)
	}
	if *got.Attributes.Enabled || *got.Tags["a"] != "b" || len(got.Key.KeyOps) != 2 {
		t.Errorf("more was changed than that: %+v", got)
	}
}

// A version that ends when it begins is never valid, and none.
func TestDatesHaveAnOrder(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	at := time.Unix(2000000000, 0)
	for _, tt := range []struct {
		before time.Duration
		fine   bool
	}{{time.Second, true}, {0, false}, {-time.Second, false}} {
		in := ecKey()
		in.KeyAttributes = &azkeys.KeyAttributes{NotBefore: new(at.Add(-tt.before)), Expires: &at}
		_, err := c.CreateKey(t.Context(), "a", in, nil)
		if tt.fine != (err == nil) {
			t.Errorf("begins %s before its end: %v", tt.before, err)
		}
		if !tt.fine {
			refused(t, err, http.StatusBadRequest, "BadParameter")
		}
	}
	in := azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Expires: new(at.Add(-time.Hour))}}
	_, err := c.UpdateKey(t.Context(), "a", "", in, nil)
	refused(t, err, http.StatusBadRequest, "BadParameter")
}

// The bounds of nbf and exp are those of Key attributes: from nbf on, and before exp.
func TestDatesBoundToTheSecond(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	now := e.server.Now()
	in := ecKey()
	in.KeyAttributes = &azkeys.KeyAttributes{NotBefore: new(now.Add(time.Hour)), Expires: new(now.Add(2 * time.Hour))}
	emutest.Must(c.CreateKey(t.Context(), "a", in, nil))(t)
	alg := azkeys.SignatureAlgorithmES256
	sign := func() error {
		_, err := c.Sign(t.Context(), "a", "", azkeys.SignParameters{Algorithm: &alg, Value: make([]byte, 32)}, nil)
		return err
	}
	refused(t, sign(), http.StatusForbidden, "Forbidden")
	e.advance(time.Hour + time.Second)
	if err := sign(); err != nil {
		t.Errorf("valid, and %v", err)
	}
	e.advance(time.Hour)
	refused(t, sign(), http.StatusForbidden, "Forbidden")
	verify := azkeys.VerifyParameters{Algorithm: &alg, Digest: make([]byte, 32), Signature: make([]byte, 64)}
	if *emutest.Must(c.Verify(t.Context(), "a", "", verify, nil))(t).Value {
		t.Error("verified nothing")
	}
}

// A clock that is put back begins a new window.
func TestQuotaSurvivesAClockThatIsPutBack(t *testing.T) {
	t.Parallel()
	if got := azureemu.Taken(1, 1, time.Now(), []time.Duration{0, 0, -time.Hour, 0, 9 * time.Second, time.Second}); got != 3 {
		t.Errorf("%d went through, want 3", got)
	}
}

func TestPurgeProtection(t *testing.T) {
	t.Parallel()
	e := start(t, azureemu.Config{Vaults: []azureemu.Vault{{Name: "kept", Mode: azureemu.Premium, PurgeProtection: true, RetentionDays: 7}}})
	c := e.client("kept")
	level := *emutest.Must(c.CreateKey(t.Context(), "a", ecKey(), nil))(t).Attributes.RecoveryLevel
	if level != "CustomizedRecoverable" {
		t.Errorf("recovery level %s", level)
	}
	emutest.Must(c.DeleteKey(t.Context(), "a", nil))(t)
	_, err := c.PurgeDeletedKey(t.Context(), "a", nil)
	refused(t, err, http.StatusForbidden, "Forbidden")
	e.advance(7*24*time.Hour + time.Second)
	_, err = c.GetDeletedKey(t.Context(), "a", nil)
	refused(t, err, http.StatusNotFound, "KeyNotFound")
}
