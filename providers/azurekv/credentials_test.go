package azurekv_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/providers/azurekv"
)

func (e *emulated) known(t *testing.T) azureemu.Credentials {
	t.Helper()
	known, err := e.server.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// identified demands that the adapter is who it should be.
func identified(t *testing.T, p *azurekv.Provider, known azureemu.Credentials) {
	t.Helper()
	id, err := p.Identify(t.Context())
	switch {
	case err != nil:
		t.Error(err)
	case id.Account != known.Tenant || !strings.Contains(id.Principal, known.ClientID) || !strings.Contains(id.Principal, known.ObjectID):
		t.Errorf("identity %+v", id)
	case id.Receipt.TLSVersion == "" || id.Receipt.TLSGroup == "" || len(id.Receipt.TLSPeer) != 64 || id.Receipt.ServerTime.IsZero():
		t.Errorf("receipt %+v", id.Receipt)
	}
}

// TestEachCredential reaches the emulator, which verifies what proves it.
func TestEachCredential(t *testing.T) {
	t.Parallel()
	for name, credentials := range map[string]func(t *testing.T, known azureemu.Credentials) azurekv.Credentials{
		"certificate": func(_ *testing.T, known azureemu.Credentials) azurekv.Credentials {
			return azurekv.Credentials{Kind: azurekv.Certificate, ClientID: known.ClientID, CertificatePEM: known.CertificatePEM}
		},
		"certificate in a file": func(t *testing.T, known azureemu.Credentials) azurekv.Credentials {
			t.Helper()
			return azurekv.Credentials{Kind: azurekv.Certificate, ClientID: known.ClientID, CertificateFile: write(t, "azure.pem", known.CertificatePEM)}
		},
		"workload identity": func(t *testing.T, known azureemu.Credentials) azurekv.Credentials {
			t.Helper()
			return azurekv.Credentials{Kind: azurekv.WorkloadIdentity, ClientID: known.ClientID, TokenFile: write(t, "token", []byte(known.FederatedToken))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := emulate(t, func(e *emulated, c *azurekv.Config) { c.Credentials = credentials(t, e.known(t)) })
			identified(t, e.provider, e.known(t))
		})
	}
}

// machine is an identity endpoint of this machine, as App Service has it; it gives
// tokens of the emulator.
func machine(t *testing.T, e *emulated, asked *atomic.Int64) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		token, err := e.server.Bearer(r.URL.Query().Get("client_id"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"access_token": token, "expires_on": strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10), "resource": r.URL.Query().Get("resource"), "token_type": "Bearer",
		})
	}))
	t.Cleanup(server.Close)
	return server
}

// TestManagedIdentity is this machine's, which is reached without the proxy, by number
// or by name.
func TestManagedIdentity(t *testing.T) {
	for _, name := range []string{"127.0.0.1", "localhost"} {
		t.Run(name, func(t *testing.T) { managedIdentity(t, name) })
	}
}

func managedIdentity(t *testing.T, name string) {
	t.Helper()
	e := start(t)
	var asked atomic.Int64
	t.Setenv("IDENTITY_ENDPOINT", strings.Replace(machine(t, e, &asked).URL, "127.0.0.1", name, 1))
	t.Setenv("IDENTITY_HEADER", "secret")
	known := e.known(t)
	e.config = azurekv.Config{
		Tenant: known.Tenant, VaultURL: e.server.URL(premium), Authority: e.server.AuthorityURL(), CAPEM: e.server.CAPEM(), Proxy: e.between.URL,
		Now: e.Now, Credentials: azurekv.Credentials{Kind: azurekv.ManagedIdentity, ClientID: known.ClientID},
	}
	identified(t, open(t, e.config), known)
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

// TestThisMachine: its metadata services, and what only looks like one.
func TestThisMachine(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"169.254.169.254": true, "127.0.0.1": true, "127.1.2.3": true, "::1": true, "fe80::1": true, "localhost": true,
		"10.0.0.4": false, "168.63.129.16": false, "169.254.169.254.example": false, "localhost.example": false, "x.localhost": false,
		"login.microsoftonline.com": false, "::ffff:10.0.0.4": false, "0.0.0.0": false, "": false,
	} {
		proxy, err := azurekv.ProxyFor("http://proxy:3128", host)
		if err != nil || azurekv.OfThisMachine(host) != want || (proxy == nil) != want {
			t.Errorf("%q is this machine: %v, its proxy %v, %v", host, azurekv.OfThisMachine(host), proxy, err)
		}
	}
}

// TestDefaultChain takes credentials from the environment, and only those: no proxy, CA
// or authority.
func TestDefaultChain(t *testing.T) {
	var trapped atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		trapped.Add(1)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(trap.Close)
	e := start(t)
	known := e.known(t)
	for name, value := range map[string]string{
		"AZURE_TENANT_ID": known.Tenant, "AZURE_CLIENT_ID": known.ClientID, "AZURE_CLIENT_CERTIFICATE_PATH": write(t, "azure.pem", known.CertificatePEM),
		"AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential", "AZURE_AUTHORITY_HOST": trap.URL, "HTTPS_PROXY": trap.URL, "HTTP_PROXY": trap.URL,
		"SSL_CERT_FILE": "/does/not/exist", "AZURE_KUBERNETES_TOKEN_PROXY": trap.URL,
	} {
		t.Setenv(name, value)
	}
	e.config = azurekv.Config{
		Tenant: known.Tenant, VaultURL: e.server.URL(premium), Authority: e.server.AuthorityURL(), CAPEM: e.server.CAPEM(), Now: e.Now,
	}
	identified(t, open(t, e.config), known)
	if trapped.Load() != 0 {
		t.Errorf("the environment was followed %d times", trapped.Load())
	}
}

// TestEnvironmentNamesNoEndpoint: what leads the SDK elsewhere for a token ends there,
// and the credentials go nowhere.
func TestEnvironmentNamesNoEndpoint(t *testing.T) {
	e := start(t)
	known := e.known(t)
	for name, x := range map[string]struct {
		variables   map[string]string
		credentials azurekv.Credentials
	}{
		"regional authority": {
			map[string]string{"AZURE_REGIONAL_AUTHORITY_NAME": "evil"},
			azurekv.Credentials{Kind: azurekv.Certificate, ClientID: known.ClientID, CertificatePEM: known.CertificatePEM},
		},
		"identity endpoint": {
			map[string]string{"IDENTITY_ENDPOINT": "http://keyferry.test/token", "IDENTITY_HEADER": "secret"},
			azurekv.Credentials{Kind: azurekv.ManagedIdentity},
		},
		"machine learning's endpoint": {
			map[string]string{"MSI_ENDPOINT": "http://keyferry.test/token", "MSI_SECRET": "secret"},
			azurekv.Credentials{Kind: azurekv.ManagedIdentity},
		},
		"cloud shell's endpoint": {
			map[string]string{"MSI_ENDPOINT": "http://keyferry.test/token"},
			azurekv.Credentials{Kind: azurekv.ManagedIdentity},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range x.variables {
				t.Setenv(variable, value)
			}
			c := azurekv.Config{
				Tenant: known.Tenant, VaultURL: e.server.URL(premium), Authority: e.server.AuthorityURL(), CAPEM: e.server.CAPEM(), Now: e.Now,
				Credentials: x.credentials,
			}
			_, err := open(t, c).Identify(t.Context())
			if err == nil || !strings.Contains(err.Error(), "endpoints in the environment do not count") {
				t.Errorf("%v", err)
			}
		})
	}
	calls, err := e.admin.Calls(t.Context(), faults.CallQuery{Match: faults.Match{Action: "Token"}})
	if err != nil || len(calls) > 0 {
		t.Errorf("tokens were asked for: %v, %v", calls, err)
	}
}

// TestEnvironmentOfAnotherTenant gives no token: not its own tenant's, and none of the
// enrolled one, for which its credentials are not meant.
func TestEnvironmentOfAnotherTenant(t *testing.T) {
	e := start(t)
	known := e.known(t)
	for name, value := range map[string]string{
		"AZURE_TENANT_ID": otherTenant, "AZURE_CLIENT_ID": known.ClientID, "AZURE_CLIENT_CERTIFICATE_PATH": write(t, "azure.pem", known.CertificatePEM),
		"AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
	} {
		t.Setenv(name, value)
	}
	e.config = azurekv.Config{
		Tenant: known.Tenant, VaultURL: e.server.URL(premium), Authority: e.server.AuthorityURL(), CAPEM: e.server.CAPEM(), Now: e.Now,
	}
	_, err := open(t, e.config).Identify(t.Context())
	if got := inWords(t, err); got.Kind != broker.Unavailable && got.Kind != broker.Denied {
		t.Errorf("%v", err)
	}
	calls, err := e.admin.Calls(t.Context(), faults.CallQuery{Match: faults.Match{Action: "Token"}})
	if err != nil || len(calls) > 0 {
		t.Errorf("tokens were asked for: %v, %v", calls, err)
	}
}

// TestVaultOfAnotherTenant gets no token, and none is asked for, although the credentials
// could get one.
func TestVaultOfAnotherTenant(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	moved := azureemu.Vault{Name: premium, Mode: azureemu.Premium, Tenant: otherTenant}
	if err := e.admin.Configure(t.Context(), azureemu.Change{Vaults: []azureemu.Vault{moved}}); err != nil {
		t.Fatal(err)
	}
	_, err := e.provider.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{
		Key: broker.KeyRef{ID: e.config.VaultURL + "/keys/x"}, Mechanism: broker.KWPSHA1,
	})
	if got := inWords(t, err); got.Kind != broker.Tampered || !strings.Contains(err.Error(), otherTenant) || !strings.Contains(got.Hint, "no token") {
		t.Errorf("%v, hint %q", err, got.Hint)
	}
	for action, want := range map[string]int{"Challenge": 1, "Token": 0, "CreateKey": 0} {
		calls, err := e.admin.Calls(t.Context(), faults.CallQuery{Match: faults.Match{Action: action}})
		if err != nil || len(calls) != want {
			t.Errorf("%s: %d calls, %v", action, len(calls), err)
		}
	}
}

// TestServiceFabric, whose endpoint is trusted by a thumbprint from the environment, is
// not taken.
func TestServiceFabric(t *testing.T) {
	t.Setenv("IDENTITY_ENDPOINT", "https://127.0.0.1:1/token")
	t.Setenv("IDENTITY_HEADER", "secret")
	t.Setenv("IDENTITY_SERVER_THUMBPRINT", strings.Repeat("00", 20))
	c := base()
	c.Credentials = azurekv.Credentials{Kind: azurekv.ManagedIdentity}
	p, err := azurekv.Open(c)
	if err == nil {
		p.Close()
	}
	if inWords(t, err).Kind != broker.Misuse {
		t.Errorf("%v", err)
	}
}

// TestRefusedCredentials: nothing went to the vault.
func TestRefusedCredentials(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		rule faults.Rule
		kind broker.Kind
	}{
		"refused":   {faults.Rule{Kind: faults.Deny}, broker.Denied},
		"throttled": {faults.Rule{Kind: faults.Throttle, RetryAfter: 4}, broker.Throttled},
		"failed":    {faults.Rule{Kind: faults.Fail, Code: "ServiceUnavailable", Status: 503}, broker.Unavailable},
		"dropped":   {faults.Rule{Kind: faults.Drop}, broker.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := emulate(t)
			x.rule.Match, x.rule.Count = faults.Match{Service: "entra", Action: "Token"}, -1
			if _, err := e.admin.Add(t.Context(), x.rule); err != nil {
				t.Fatal(err)
			}
			_, err := e.provider.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{
				Key: broker.KeyRef{ID: e.config.VaultURL + "/keys/x"}, Mechanism: broker.KWPSHA1,
			})
			if got := inWords(t, err); got.Kind != x.kind || x.kind == broker.Throttled && got.RetryAfter != 4*time.Second {
				t.Errorf("%s: %v, again in %s", got.Kind, err, got.RetryAfter)
			}
			calls, err := e.admin.Calls(t.Context(), faults.CallQuery{Match: faults.Match{Action: "CreateKey"}})
			if err != nil || len(calls) > 0 {
				t.Errorf("sent %v, %v", calls, err)
			}
		})
	}
}
