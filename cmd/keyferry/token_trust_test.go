package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	hsm "github.com/keyferry/keyferry/hsm/memory"
)

// wrappingKeyPEM is the targets' wrapping key, as their owner fetches it, with its
// fingerprint.
func wrappingKeyPEM(t *testing.T) (text, fingerprint string) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&wrappingKeys()[0].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), hex.EncodeToString(sum[:])
}

const trustedPolicies = `  - {name: trusted, spec: aes-256, targets: [gcp-test], retain: token, wrap_with_trusted: true}
  - {name: trusted-aws, spec: aes-256, targets: [aws-test], retain: token, wrap_with_trusted: true}
  - {name: trusted-azure, spec: rsa-3072, targets: [azure-test], retain: sealed, wrap_with_trusted: true}
`

// trustedWorld has policies with wrap_with_trusted, and a token that wraps in one step.
func trustedWorld(t *testing.T, o hsm.Options) *world {
	t.Helper()
	w := newWorld(t, "test")
	w.token = hsm.New(o)
	w.enrolClouds(cloudsConfig + trustedPolicies)
	return w
}

func TestAnImportWaitsForTheOfficer(t *testing.T) {
	t.Parallel()
	w := trustedWorld(t, hsm.Options{OneStep: true})
	text, fingerprint := wrappingKeyPEM(t)
	path := w.file("key.pem", text)
	for _, line := range []string{"import gcp guarded/db --policy trusted", "import azure guarded/rsa --policy trusted-azure"} {
		w.refuses(exitPartly, args(line), "denied", "none that its security officer marked", "keyferry token trust --public-key FILE --fingerprint "+fingerprint, "keyferry operation resume")
	}
	w.must("token", "trust", "--public-key", path, "--fingerprint", fingerprint)
	if row := asks[trustedRow](w, "token", "trust", "--public-key", path, "--fingerprint", strings.ToUpper(fingerprint)); row.State != "marked before" || row.Bits != 4096 {
		t.Errorf("%+v", row)
	}
	w.must(args("import gcp guarded/db --policy trusted")...)
	w.must(args("import azure guarded/rsa --policy trusted-azure")...)
	view := asks[broker.KeyView](w, "key", "show", "guarded/db")
	if set := view.Versions[0].Material.Attributes.WrapWithTrusted; set == nil || !*set || view.Placements[0].Step != broker.PlacementActive {
		t.Errorf("%+v", view)
	}
	if out := w.must(args("audit list --output jsonl")...).out; !strings.Contains(out, `"wrap_with_trusted":true`) {
		t.Errorf("the audit does not say it:\n%s", out)
	}
}

func TestWhereTrustDoesNotComposeNothingIsBegun(t *testing.T) {
	t.Parallel()
	twoSteps, self := trustedWorld(t, hsm.Options{Mechanisms: []broker.Mechanism{broker.KWPSHA1}}), trustedWorld(t, hsm.Options{OneStep: true, NoTrust: true})
	for _, c := range []struct {
		w    *world
		line string
		says string
	}{
		{twoSteps, "import aws a/key --policy trusted-aws", "its wrapping key is new at each import"},
		{twoSteps, "import gcp a/key --policy trusted", "the token wraps in two steps"},
		{twoSteps, "import azure a/key --policy trusted-azure", "the token wraps in two steps"},
		{self, "import gcp a/key --policy trusted", "lets its user mark keys as trusted himself"},
	} {
		for _, more := range []string{"", " --dry-run"} {
			c.w.refuses(exitFailed, args(c.line+more), "unsupported", c.says)
		}
		if s := c.w.run(args("doctor")...); !strings.Contains(s.out, c.says) {
			t.Errorf("doctor does not say %q:\n%s", c.says, s)
		}
	}
	if keys := asks[[]keyRow](self, "key", "list"); len(keys) > 0 {
		t.Errorf("there are %+v", keys)
	}
}

func TestOnlyTheKeyThatWasMeantIsMarked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	text, fingerprint := wrappingKeyPEM(t)
	path, other := w.file("key.pem", text), strings.Repeat("ab", 32)
	w.refuses(exitMisused, args("token trust"), "give --public-key FILE and --fingerprint SHA256")
	w.refuses(exitMisused, []string{"token", "trust", "--public-key", w.file("none.pem", "none"), "--fingerprint", other}, "not one public key in PEM")
	w.refuses(exitMisused, []string{"token", "trust", "--public-key", path + ".gone", "--fingerprint", other}, "no such file")
	w.refuses(exitFailed, []string{"token", "trust", "--public-key", path, "--fingerprint", other}, fingerprint, other, "changed: nothing")
	if s := w.must("token", "trust", "--public-key", path, "--fingerprint", fingerprint, "--dry-run"); !strings.Contains(s.stderr, "the key was not marked") {
		t.Errorf("%s", s)
	}
	w.configure(strings.ReplaceAll(worldConfig, "ENV", "production"))
	w.refuses(exitMisused, []string{"token", "trust", "--public-key", path, "--fingerprint", fingerprint}, "this changes production")
	w.configure(strings.ReplaceAll(worldConfig, "ENV", "test"))
	if row := asks[trustedRow](w, "token", "trust", "--public-key", path, "--fingerprint", fingerprint); row.State != "marked" {
		t.Errorf("it was %s", row.State)
	}
}

// The officer's PIN is his own, and the user's is not read for him.
func TestTheOfficersPINIsHisOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	text, fingerprint := wrappingKeyPEM(t)
	line := []string{"token", "trust", "--public-key", w.file("key.pem", text), "--fingerprint", fingerprint}
	w.file("pin", "user")
	w.file("so-pin", "officer")
	w.configure(strings.ReplaceAll(strings.Replace(worldConfig, "pin: {file: pin}", "pin: {file: pin}, so_pin: {file: so-pin}", 1), "ENV", "test"))
	if pin, err := w.officersPIN(line); err != nil || pin != "officer" {
		t.Errorf("%q, %v", pin, err)
	}
	w.configure(strings.ReplaceAll(worldConfig, "ENV", "test"))
	if pin, err := w.officersPIN(line); err == nil || !strings.Contains(err.Error(), "hsm (security officer)") {
		t.Errorf("%q, %v; nobody is there to be asked", pin, err)
	}
}

// A dry run asks nobody for a PIN: not even the token is opened.
func TestADryRunOfTrustLogsNobodyIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	text, fingerprint := wrappingKeyPEM(t)
	var out, stderr strings.Builder
	p := newProgram()
	p.stdout, p.stderr, p.interactive = &out, &stderr, false
	p.getenv = func(name string) string { return map[string]string{"KEYFERRY_CONFIG": w.config}[name] }
	p.openToken = func(context.Context, tokenOptions) (broker.Token, func(context.Context) error, error) {
		t.Error("the token is opened")
		return w.token, func(context.Context) error { return nil }, nil
	}
	code := p.run(t.Context(), []string{"token", "trust", "--public-key", w.file("key.pem", text), "--fingerprint", fingerprint, "--dry-run"})
	if code != exitDone || !strings.Contains(out.String(), "would be marked") || !strings.Contains(out.String(), fingerprint) {
		t.Errorf("code %d\n%s%s", code, out.String(), stderr.String())
	}
	if code := p.run(t.Context(), []string{"token", "trust", "--public-key", w.file("key.pem", text), "--fingerprint", strings.Repeat("ab", 32), "--dry-run"}); code != exitFailed {
		t.Errorf("with another fingerprint: code %d", code)
	}
}

// officersPIN is what a run would log in with.
func (w *world) officersPIN(line []string) (pin string, err error) {
	w.t.Helper()
	var out, stderr strings.Builder
	p := newProgram()
	p.stdout, p.stderr, p.interactive = &out, &stderr, false
	p.getenv = func(name string) string { return map[string]string{"KEYFERRY_CONFIG": w.config}[name] }
	p.openToken = func(ctx context.Context, o tokenOptions) (broker.Token, func(context.Context) error, error) {
		if !o.officer {
			w.t.Error("the user is logged in")
		}
		var read []byte
		read, err = o.pin(ctx)
		pin = string(read)
		return w.token, func(context.Context) error { return nil }, err
	}
	p.run(w.t.Context(), line)
	return pin, err
}
