package azureemu_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

// static is a token that was made before.
type static string

// GetToken gives it, whatever is asked for.
func (s static) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(s), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// claimsOf are those of the default principal's own token.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	raw := emutest.Must(base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1]))(t)
	out := map[string]any{}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTokensAreVerified(t *testing.T) {
	t.Parallel()
	e := start(t, azureemu.Config{Vaults: []azureemu.Vault{
		{Name: "vault", Mode: azureemu.Premium}, {Name: "foreign", Mode: azureemu.Premium, Tenant: "00000000-0000-4000-8000-000000000001"},
	}})
	good := emutest.Must(e.server.Bearer(""))(t)
	part := strings.Split(good, ".")
	forge := func(change func(map[string]any)) string {
		c := claimsOf(t, good)
		change(c)
		return emutest.Must(e.server.Forge(c))(t)
	}
	set := func(name string, value any) string { return forge(func(c map[string]any) { c[name] = value }) }
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + part[1] + "."
	for name, tt := range map[string]struct {
		vault, token string
		fine         bool
	}{
		"as it should be":      {"vault", good, true},
		"forged as it is":      {"vault", forge(func(map[string]any) {}), true},
		"one audience":         {"vault", set("aud", e.server.Resource(azureemu.Premium)), true},
		"of another tenant":    {"foreign", good, false},
		"for pools":            {"vault", set("aud", e.server.Resource(azureemu.HSM)), false},
		"tenant changed":       {"vault", set("tid", "x"), false},
		"issuer changed":       {"vault", set("iss", "https://sts.windows.net/x/"), false},
		"object id changed":    {"vault", set("oid", "x"), false},
		"application unknown":  {"vault", set("appid", "x"), false},
		"expired":              {"vault", set("exp", time.Now().Add(-time.Second).Unix()), false},
		"not valid yet":        {"vault", set("nbf", time.Now().Add(time.Minute).Unix()), false},
		"without signature":    {"vault", part[0] + "." + part[1] + ".", false},
		"algorithm none":       {"vault", none, false},
		"signature of another": {"vault", part[0] + "." + part[1] + "." + strings.Split(set("jti", "x"), ".")[2], false},
		"padded":               {"vault", good + "=", false},
		"empty":                {"vault", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.clientAs(tt.vault, static(tt.token)).GetKey(t.Context(), "none", "", nil)
			if tt.fine {
				refused(t, err, http.StatusNotFound, "KeyNotFound")
				return
			}
			refused(t, err, http.StatusUnauthorized, "Unauthorized")
		})
	}
}

func TestTokensFollowTheClockIfToldTo(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	e.advance(48 * time.Hour)
	e.kek(c, "kek")
	e.configure(azureemu.Change{Settings: &azureemu.Settings{TokensFollow: true}})
	old := static(emutest.Must(e.server.Bearer(""))(t))
	c = e.clientAs(azureemu.DefaultPremium, old)
	emutest.Must(c.GetKey(t.Context(), "kek", "", nil))(t)
	e.advance(61 * time.Minute)
	_, err := c.GetKey(t.Context(), "kek", "", nil)
	refused(t, err, http.StatusUnauthorized, "Unauthorized")
}

// Each operation has an action of its own in both services, but for what only reads.
func TestPermissionsAreNamed(t *testing.T) {
	t.Parallel()
	shared := map[string]bool{"keys/read": true, "keys/read/action": true, "keys/deletedKeys/read/action": true}
	seen := map[string]string{}
	for operation, p := range azureemu.Permissions() {
		for i, prefix := range []string{"Microsoft.KeyVault/vaults/", "Microsoft.KeyVault/managedHsm/"} {
			action, ok := strings.CutPrefix(p[i], prefix)
			if !ok || action == "" {
				t.Errorf("%s needs %q", operation, p[i])
			}
			if other := seen[p[i]]; other != "" && !shared[action] {
				t.Errorf("%s and %s need %s", operation, other, p[i])
			}
			seen[p[i]] = operation
		}
	}
}

// A caller that is denied is told nothing of what is there.
func TestDeniedBeforeAnythingIsLookedUp(t *testing.T) {
	t.Parallel()
	e := start(t, azureemu.Config{Principals: []azureemu.Principal{{ClientID: "reader", Allow: []string{"microsoft.keyvault/VAULTS/keys/read"}}}})
	reader := static(emutest.Must(e.server.Bearer("reader"))(t))
	e.kek(e.client(azureemu.DefaultPremium), "kek")
	c := e.clientAs(azureemu.DefaultPremium, reader)
	emutest.Must(c.GetKey(t.Context(), "kek", "", nil))(t)
	for _, name := range []string{"kek", "none"} {
		_, err := c.DeleteKey(t.Context(), name, nil)
		refused(t, err, http.StatusForbidden, "Forbidden")
		if !strings.Contains(err.Error(), "Action: 'Microsoft.KeyVault/vaults/keys/delete'") || !strings.Contains(err.Error(), "ForbiddenByRbac") {
			t.Errorf("the action is not named: %v", err)
		}
	}
	_, err := e.clientAs(azureemu.DefaultPool, reader).GetKey(t.Context(), "kek", "", nil)
	refused(t, err, http.StatusForbidden, "Forbidden")
}
