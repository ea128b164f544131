package azureemu_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

func TestBadConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	taken := start(t, defaults())
	for name, c := range map[string]azureemu.Config{
		"no clock":        {},
		"name too short":  {Now: time.Now, Vaults: []azureemu.Vault{{Name: "ab", Mode: azureemu.Premium}}},
		"name of dots":    {Now: time.Now, Vaults: []azureemu.Vault{{Name: "a.b.c", Mode: azureemu.Premium}}},
		"no mode":         {Now: time.Now, Vaults: []azureemu.Vault{{Name: "vault"}}},
		"6 days":          {Now: time.Now, Vaults: []azureemu.Vault{{Name: "vault", Mode: azureemu.HSM, RetentionDays: 6}}},
		"91 days":         {Now: time.Now, Vaults: []azureemu.Vault{{Name: "vault", Mode: azureemu.HSM, RetentionDays: 91}}},
		"nobody":          {Now: time.Now, Principals: []azureemu.Principal{{}}},
		"no certificate":  {Now: time.Now, Principals: []azureemu.Principal{{ClientID: "a", Certificate: "-----BEGIN X-----"}}},
		"bad certificate": {Now: time.Now, Principals: []azureemu.Principal{{ClientID: "a", Certificate: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}}},
		"EC certificate":  {Now: time.Now, Principals: []azureemu.Principal{{ClientID: "a", Certificate: string(taken.server.CAPEM())}}},
		"a taken port":    {Now: time.Now, Addr: taken.server.Addr()},
		"the admin's":     {Now: time.Now, AdminAddr: taken.server.Addr()},
		"no folder":       {Now: time.Now, CAFile: "/no/such/folder/ca.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			if s, err := azureemu.Start(t.Context(), c); err == nil {
				_ = s.Close()
				t.Error("started")
			}
		})
	}
}

func TestStartsWithACAOfTheRun(t *testing.T) {
	t.Parallel()
	ca := emutest.Must(emu.NewAuthority(time.Now()))(t)
	file := t.TempDir() + "/ca.pem"
	e := start(t, azureemu.Config{CA: ca, CAFile: file})
	if text := emutest.Must(os.ReadFile(file))(t); !bytes.Equal(text, ca.PEM()) || !bytes.Equal(text, e.server.CAPEM()) {
		t.Error("it made a CA of its own")
	}
	e.kek(e.client(azureemu.DefaultPool), "kek")
}

func TestConfigureWhileRunning(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	e.kek(c, "kek")
	e.configure(azureemu.Change{
		Vaults:     []azureemu.Vault{{Name: "later", Mode: azureemu.HSM}, {Name: azureemu.DefaultPremium, Mode: azureemu.Premium, RetentionDays: 7}},
		Principals: []azureemu.Principal{{ClientID: "somebody", Secret: "hidden", Allow: []string{"Microsoft.KeyVault/vaults/keys/read"}}},
	})
	e.kek(e.client("later"), "kek")
	if got := emutest.Must(c.GetKey(t.Context(), "kek", "", nil))(t); *got.Attributes.RecoverableDays != 7 {
		t.Errorf("the vault was made anew, or not changed: %+v", got.Attributes)
	}
	for _, bad := range []any{
		map[string]any{"colour": "red"}, map[string]any{"settings": map[string]any{"colour": 1}}, azureemu.Change{Vaults: []azureemu.Vault{{Name: "x"}}},
	} {
		if err := e.admin.Configure(t.Context(), bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	text := e.get("/config")
	if !strings.Contains(text, `"somebody"`) || !strings.Contains(text, `"later"`) || strings.Contains(text, "hidden") {
		t.Errorf("configuration: %s", text)
	}
	var again azureemu.Change
	if err := json.Unmarshal([]byte(text), &again); err != nil {
		t.Fatal(err)
	}
	e.configure(again)
	if known := emutest.Must(e.server.CredentialsOf("somebody"))(t); known.Secret != "hidden" {
		t.Error("a configuration that was read and written lost a secret")
	}
}

func TestResetKeepsVaultsAndPrincipals(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	e.kek(c, "kek")
	backup := emutest.Must(c.BackupKey(t.Context(), "kek", nil))(t)
	if err := e.admin.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := c.GetKey(t.Context(), "kek", "", nil)
	refused(t, err, 404, "KeyNotFound")
	_, err = c.RestoreKey(t.Context(), restoreOf(backup.Value), nil)
	refused(t, err, 400, "BadParameter")
	e.kek(c, "kek")
}

func TestHealthSaysWhereWhatIs(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	text := e.get("/health")
	for _, want := range []string{e.server.URL(azureemu.DefaultPool), e.server.AuthorityURL(), e.server.Addr(), e.server.Tenant()} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if e.server.URL("nowhere") != "" {
		t.Error("a vault that is not there has a URL")
	}
	if d := time.Until(e.server.Now()).Abs(); d > time.Minute {
		t.Errorf("the clock is %s off", d)
	}
	if _, err := e.server.CredentialsOf("nobody"); err == nil {
		t.Error("nobody has credentials")
	}
	if _, err := e.server.Bearer("nobody"); err == nil {
		t.Error("nobody has a token")
	}
}

// get reads from the admin port.
func (e *emulator) get(path string) string {
	e.Helper()
	resp := emutest.Must(http.DefaultClient.Get(e.server.AdminURL() + path))(e.T)
	defer http.DefaultClient.CloseIdleConnections()
	defer func() { _ = resp.Body.Close() }()
	return string(emutest.Must(io.ReadAll(resp.Body))(e.T))
}
