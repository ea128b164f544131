package gcpkms_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

// account is the address of a service account of the emulated project.
func account(name string) string { return name + "@" + emulatedProject + ".iam.gserviceaccount.com" }

// really is an adapter over TLS whose tokens come from the emulator's token services.
func (e *emulated) really(t *testing.T, credentials []byte, change ...func(*gcpkms.Config)) *gcpkms.Provider {
	t.Helper()
	c := base()
	c.Project, c.Location, c.Ring = emulatedProject, "europe-west3", "keyferry"
	c.Tokens, c.CredentialsJSON, c.TokenEndpoint = nil, credentials, e.server.TokenURL()
	overTLS(e, &c)
	return open(t, c, change...)
}

// allow makes principals of the emulator.
func (e *emulated) allow(t *testing.T, principals ...gcpemu.Principal) {
	t.Helper()
	if err := e.admin.Configure(t.Context(), gcpemu.Change{Principals: principals}); err != nil {
		t.Fatal(err)
	}
}

func file(t *testing.T) func([]byte, error) []byte {
	t.Helper()
	return func(text []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// TestCredentialsOfEveryKind are believed: a service account's own signature, an
// impersonated one, a workload's identity, alone and as an account.
func TestCredentialsOfEveryKind(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	e.allow(t, gcpemu.Principal{Email: account("other")}, gcpemu.Principal{Email: e.server.Federated()})
	subject, err := e.server.SubjectToken()
	if err != nil {
		t.Fatal(err)
	}
	at := write(t, "subject", subject)
	for name, c := range map[string]struct {
		file      []byte
		as        string
		principal string
	}{
		"service account":        {file(t)(e.server.ServiceAccountJSON()), "", e.server.Email()},
		"as another":             {file(t)(e.server.ServiceAccountJSON()), account("other"), account("other")},
		"impersonated":           {file(t)(e.server.ImpersonatedJSON(account("other"))), "", account("other")},
		"workload":               {file(t)(e.server.ExternalAccountJSON(at, "")), "", e.server.Audience()},
		"workload as an account": {file(t)(e.server.ExternalAccountJSON(at, account("other"))), "", account("other")},
		"workload, then another": {file(t)(e.server.ExternalAccountJSON(at, "")), account("other"), account("other")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := e.really(t, c.file, func(g *gcpkms.Config) { g.Impersonate = c.as })
			id, err := p.Identify(t.Context())
			if err != nil || id.Principal != c.principal || id.Account != emulatedProject {
				t.Errorf("%+v, %v", id, err)
			}
			if err := line(t.Context(), p, strings.NewReplacer(" ", "-", ",", "").Replace(name)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestApartInOneConfig: who imports and who proves are two accounts with the least that
// each needs, and the whole line passes.
func TestApartInOneConfig(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	all := open(t, base())
	e.allow(t,
		gcpemu.Principal{Email: account("importer"), Permissions: granted(t, all, func(p broker.Permission) bool { return now(p) && !p.Proof })},
		gcpemu.Principal{Email: account("prover"), Permissions: granted(t, all, func(p broker.Permission) bool { return p.Proof })},
	)
	apart := func(g *gcpkms.Config) { g.Impersonate, g.ProofImpersonate = account("importer"), account("prover") }
	both := e.really(t, file(t)(e.server.ServiceAccountJSON()), apart)
	if err := line(t.Context(), both, "apart"); err != nil {
		t.Error(err)
	}
	if id, err := both.IdentifyProof(t.Context()); err != nil || id.Principal != account("prover") || id.Account != emulatedProject {
		t.Errorf("it proves as %+v, %v", id, err)
	}
	alone := e.really(t, file(t)(e.server.ServiceAccountJSON()), func(g *gcpkms.Config) { g.Impersonate = account("importer") })
	if id, err := alone.IdentifyProof(t.Context()); err != nil || id != (broker.Identity{}) {
		t.Errorf("without an account of its own it proves as %+v, %v", id, err)
	}
	if err := line(t.Context(), alone, "alone"); inWords(t, err).Permission != "cloudkms.cryptoKeyVersions.useToSign" {
		t.Errorf("who imports proves: %v", err)
	}
	calls, err := e.admin.Calls(t.Context(), faults.CallQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		if c.Service == "kms" && (c.Action == "MacSign") != (c.AccessKey == account("prover")) && c.Status == 200 {
			t.Errorf("%s was done by %s", c.Action, c.AccessKey)
		}
	}
}

// TestWhoMayNotImpersonate gets no further than the token service, and the error names
// the permission.
func TestWhoMayNotImpersonate(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	e.allow(t, gcpemu.Principal{Email: account("poor"), Permissions: []string{"cloudkms.keyRings.get"}}, gcpemu.Principal{Email: account("other")})
	poor := file(t)(e.server.CredentialsOf(account("poor")))
	for _, as := range []string{account("other"), account("nobody")} {
		p := e.really(t, poor, func(g *gcpkms.Config) { g.Impersonate = as })
		if got := inWords(t, prepare(t, p)); got.Kind != broker.Denied || got.Permission != "iam.serviceAccounts.getAccessToken" {
			t.Errorf("as %s: %v", as, got)
		}
		proving := e.really(t, poor, func(g *gcpkms.Config) { g.ProofImpersonate = as })
		_, err := proving.IdentifyProof(t.Context())
		if got := inWords(t, err); got.Kind != broker.Denied || got.Permission != "iam.serviceAccounts.getAccessToken" || got.Object != as {
			t.Errorf("proving as %s: %v", as, got)
		}
		if !slices.ContainsFunc(p.Capabilities().Permissions, func(p broker.Permission) bool { return p.Action == "iam.serviceAccounts.getAccessToken" }) {
			t.Error("the permission is not among those that are needed")
		}
	}
}

// TestACredentialThatIsNotBelieved is Denied, and no permission is missing.
func TestACredentialThatIsNotBelieved(t *testing.T) {
	t.Parallel()
	e, other := emulate(t, nil), emulate(t, nil)
	p := e.really(t, file(t)(other.server.ServiceAccountJSON()), func(g *gcpkms.Config) { g.TokenEndpoint = other.server.TokenURL() })
	if got := inWords(t, prepare(t, p)); got.Kind != broker.Denied || got.Permission != "" {
		t.Errorf("%v, permission %q", got, got.Permission)
	}
}
