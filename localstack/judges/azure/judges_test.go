package azure_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/judges/judgetest"
)

// place is where conftest.py finds an emulator. The secrets are a test principal's.
type place struct {
	Vaults      map[string]string `json:"vaults"`
	Authority   string            `json:"authority"`
	CA          string            `json:"ca"`
	Admin       string            `json:"admin"`
	Tenant      string            `json:"tenant"`
	ClientID    string            `json:"client_id"`
	Secret      string            `json:"secret"`
	Certificate string            `json:"certificate"` // file
	Federated   string            `json:"federated"`   // file
	Bearer      string            `json:"bearer"`
}

// vaults are what the tests speak to.
func vaults() []azureemu.Vault {
	return []azureemu.Vault{
		{Name: "standard", Mode: azureemu.Standard},
		{Name: "premium", Mode: azureemu.Premium},
		{Name: "other", Mode: azureemu.Premium},
		{Name: "protected", Mode: azureemu.Premium, RetentionDays: 7, PurgeProtection: true},
		{Name: "pool", Mode: azureemu.HSM},
	}
}

// TestAzure lets Python's Key Vault client judge the Azure emulator by every row of
// the table.
func TestAzure(t *testing.T) {
	judgetest.Run(t, judgetest.Judged{
		Cloud: "Azure", Last: 48,
		Emulators: map[string]any{"reusing": start(t)},
		NoRefusal: []int{3, 19, 32, 44},
	})
}

func start(t *testing.T) place {
	t.Helper()
	dir := t.TempDir()
	srv, err := azureemu.Start(t.Context(), azureemu.Config{
		Now: time.Now, CAFile: filepath.Join(dir, "ca.pem"), Vaults: vaults(), PoolDir: "../../../.cache/wrapping-keys", ReuseWrappingKeys: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	known, err := srv.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	bearer, err := srv.Bearer("")
	if err != nil {
		t.Fatal(err)
	}
	p := place{
		Vaults: map[string]string{}, Authority: srv.AuthorityURL(), CA: filepath.Join(dir, "ca.pem"), Admin: srv.AdminURL(),
		Tenant: known.Tenant, ClientID: known.ClientID, Secret: known.Secret, Bearer: bearer,
		Certificate: write(t, dir, "certificate.pem", known.CertificatePEM), Federated: write(t, dir, "federated", []byte(known.FederatedToken)),
	}
	for _, v := range vaults() {
		p.Vaults[v.Name] = srv.URL(v.Name)
	}
	return p
}

func write(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
