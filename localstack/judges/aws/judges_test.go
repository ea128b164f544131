package aws_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/judges/judgetest"
)

// place is where conftest.py finds an emulator. The secret is that of a test key.
type place struct {
	URL     string `json:"url"`
	TLSURL  string `json:"tls_url"`
	CA      string `json:"ca"`
	Admin   string `json:"admin"`
	Account string `json:"account"`
	KeyID   string `json:"key_id"`
	Secret  string `json:"secret"`
}

// TestAWS lets boto3 judge the AWS emulator by every row of the table.
func TestAWS(t *testing.T) {
	judgetest.Run(t, judgetest.Judged{
		Cloud: "AWS", Last: 42,
		Emulators: map[string]any{
			"reusing": start(t, awsemu.Config{Now: time.Now, PoolDir: "../../../.cache/wrapping-keys", ReuseWrappingKeys: true}),
			"fresh":   start(t, awsemu.Config{Now: time.Now}),
		},
		Env:       []string{"AWS_EC2_METADATA_DISABLED=true"},
		NoRefusal: []int{21},
		NoSuccess: []int{16}, // what is new is imported under rule 15
	})
}

func start(t *testing.T, c awsemu.Config) place {
	t.Helper()
	c.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	srv, err := awsemu.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	key := srv.Credentials()
	return place{
		URL: srv.URL(), TLSURL: srv.TLSURL(), CA: c.CAFile, Admin: srv.AdminURL(),
		Account: srv.Account(), KeyID: key.ID, Secret: key.Secret,
	}
}
