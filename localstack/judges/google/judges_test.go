package google_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/gcpemu"
	"github.com/keyferry/keyferry/localstack/judges/judgetest"
)

// limited is a principal whose permissions the tests set.
const limited = "limited@" + gcpemu.DefaultProject + ".iam.gserviceaccount.com"

// Key rings beside the default one: in its location, and where there is no HSM.
const (
	near  = "projects/" + gcpemu.DefaultProject + "/locations/europe-west3/keyRings/near"
	noHSM = "projects/" + gcpemu.DefaultProject + "/locations/europe-west99/keyRings/soft"
)

// place is where conftest.py finds an emulator. Tokens and keys are test principals'.
type place struct {
	Addr    string            `json:"addr"`
	Plain   string            `json:"plain"`
	Admin   string            `json:"admin"`
	CA      string            `json:"ca"`
	Project string            `json:"project"`
	Rings   map[string]string `json:"rings"`
	Limited string            `json:"limited"`   // email
	Token   string            `json:"token_url"` // token services
	Tokens  map[string]string `json:"tokens"`
	Files   map[string]string `json:"files"` // credentials files
}

// TestGoogle lets Python's KMS client judge the Google emulator by every row of the
// table.
func TestGoogle(t *testing.T) {
	judgetest.Run(t, judgetest.Judged{
		Cloud: "Google", Last: 50,
		Emulators: map[string]any{"reusing": start(t, true), "fresh": start(t, false)},
		NoRefusal: []int{9, 17, 19, 28},
	})
}

func start(t *testing.T, reuse bool) place {
	t.Helper()
	dir := t.TempDir()
	srv, err := gcpemu.Start(t.Context(), gcpemu.Config{
		Now: time.Now, CAFile: filepath.Join(dir, "ca.pem"), KeyRings: []string{gcpemu.DefaultKeyRing, near, noHSM},
		Principals: []gcpemu.Principal{{Email: limited}}, PoolDir: "../../../.cache/wrapping-keys", ReuseWrappingKeys: reuse,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	subject := filepath.Join(dir, "subject")
	keep(t, subject)(made(srv.SubjectToken()))
	p := place{
		Addr: srv.Addr(), Plain: srv.PlainAddr(), Admin: srv.AdminURL(), CA: filepath.Join(dir, "ca.pem"), Project: srv.Project(),
		Rings: map[string]string{"main": gcpemu.DefaultKeyRing, "near": near, "no hsm": noHSM}, Limited: limited, Token: srv.TokenURL(),
		Tokens: map[string]string{"tester": srv.AccessToken(srv.Email()), "limited": srv.AccessToken(limited)},
		Files:  map[string]string{},
	}
	files := map[string]file{
		"service_account":       made(srv.ServiceAccountJSON()),
		"limited":               made(srv.CredentialsOf(limited)),
		"impersonated":          made(srv.ImpersonatedJSON(limited)),
		"external":              made(srv.ExternalAccountJSON(subject, "")),
		"external_impersonated": made(srv.ExternalAccountJSON(subject, limited)),
	}
	for name, f := range files {
		p.Files[name] = filepath.Join(dir, name+".json")
		keep(t, p.Files[name])(f)
	}
	return p
}

// file is the text of one that could be made.
type file struct {
	text []byte
	err  error
}

func made[T string | []byte](text T, err error) file { return file{[]byte(text), err} }

func keep(t *testing.T, path string) func(file) {
	t.Helper()
	return func(f file) {
		t.Helper()
		if f.err != nil {
			t.Fatal(f.err)
		}
		if err := os.WriteFile(path, f.text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
