package pkcs11

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
	"pgregory.net/rapid"
)

// The vectors of RFC 5649 §6 have a key of 192 bits; the second wraps seven bytes
// in one block, which is another case that nothing here needs.
func TestKWPOpensTheVectorOfRFC5649(t *testing.T) {
	t.Parallel()
	kek := unhex(t, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
	wrapped := unhex(t, "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a")
	got, err := openKWP(kek, wrapped)
	if err != nil || !bytes.Equal(got, unhex(t, "c37b7e6492584340bed12207808941155068f738")) {
		t.Errorf("%x, %v", got, err)
	}
	for i := range wrapped {
		bad := bytes.Clone(wrapped)
		bad[i] ^= 1
		if _, err := openKWP(kek, bad); !errors.Is(err, errNotKWP) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for _, bad := range [][]byte{nil, wrapped[:16], wrapped[:31]} {
		if _, err := openKWP(kek, bad); !errors.Is(err, errNotKWP) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryCodeHasAName(t *testing.T) {
	t.Parallel()
	for rv, c := range codes {
		if !strings.HasPrefix(c.name, "CKR_") {
			t.Errorf("0x%X is %q", uint(rv), c.name)
		}
		if theirs := rv.Error(); theirs != fmt.Sprintf("pkcs11: 0x%X: ", uint(rv)) && !strings.HasSuffix(theirs, c.name) {
			t.Errorf("0x%X is %s here, %s there", uint(rv), c.name, theirs)
		}
	}
	for rv, want := range map[p11.Error]string{0x7777: "CKR_0x7777", 0x80000102: "CKR_VENDOR_DEFINED+0x102"} {
		if got := codeOf(rv); got.name != want || got.kind != "" {
			t.Errorf("%+v, want %s and no kind", got, want)
		}
	}
}

func TestWhatIsNotInTheTableDependsOnTheCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rv      p11.Error
		changes bool
		want    broker.Kind
	}{
		{p11.CKR_DEVICE_ERROR, true, broker.Unclear},
		{p11.CKR_DEVICE_ERROR, false, broker.Unavailable},
		{0x80000001, true, broker.Unclear},
		{p11.CKR_PIN_LOCKED, false, broker.Denied},
		{p11.CKR_SESSION_COUNT, false, broker.Throttled},
		{p11.CKR_KEY_UNEXTRACTABLE, false, broker.Rejected},
		{p11.CKR_MECHANISM_INVALID, true, broker.Unsupported},
		{p11.CKR_TOKEN_NOT_PRESENT, true, broker.Unavailable},
	} {
		err := failed("wrap", "material x", fmt.Errorf("inner: %w", named("C_Call", c.changes, c.rv)))
		if broker.KindOf(err) != c.want || !strings.Contains(err.Error(), "wrap material x: "+string(c.want)+": inner: C_Call: "+codeOf(c.rv).name) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestPINIsNotTriedWhereOneMoreWouldLock(t *testing.T) {
	t.Parallel()
	token := &Token{}
	for flags, words := range map[uint]string{
		p11.CKF_USER_PIN_INITIALIZED | p11.CKF_USER_PIN_FINAL_TRY: "would lock",
		p11.CKF_USER_PIN_INITIALIZED | p11.CKF_USER_PIN_LOCKED:    "is locked",
		0: "has no user PIN",
	} {
		if err := token.pinUsable(flags); broker.KindOf(err) != broker.Denied || !strings.Contains(err.Error(), words) {
			t.Errorf("flags 0x%X: %v", flags, err)
		}
	}
	officer := &Token{config: Config{Officer: true}}
	for flags, words := range map[uint]string{p11.CKF_SO_PIN_FINAL_TRY: "would lock the security officer out", p11.CKF_SO_PIN_LOCKED: "officer's PIN is locked"} {
		if err := officer.pinUsable(flags); broker.KindOf(err) != broker.Denied || !strings.Contains(err.Error(), words) {
			t.Errorf("flags 0x%X: %v", flags, err)
		}
	}
	if err := officer.pinUsable(p11.CKF_USER_PIN_LOCKED); broker.KindOf(err) != broker.Misuse {
		t.Errorf("without a source: %v", err)
	}
}

func TestJudgeKnowsWhatOneKeyCannotShow(t *testing.T) {
	t.Parallel()
	works := func(spec broker.KeySpec, flaw string) broker.Plan {
		return broker.Plan{Spec: spec, Mechanism: broker.KWPSHA1, Works: true, Conforming: flaw == "", Reason: flaw}
	}
	for name, c := range map[string]struct{ in, want []broker.Plan }{
		"clean":  {[]broker.Plan{works(broker.RSA2048, ""), works(broker.ECP521, "")}, []broker.Plan{works(broker.RSA2048, ""), works(broker.ECP521, "")}},
		"pads":   {[]broker.Plan{works(broker.RSA2048, ""), works(broker.ECP256, flawPadded), works(broker.ECP384, "")}, []broker.Plan{works(broker.RSA2048, flawPadded), works(broker.ECP256, flawPadded), works(broker.ECP384, "")}},
		"shorts": {[]broker.Plan{works(broker.RSA2048, ""), works(broker.ECP256, ""), works(broker.ECP521, flawShort)}, []broker.Plan{works(broker.RSA2048, ""), works(broker.ECP256, flawShort), works(broker.ECP521, flawShort)}},
	} {
		for i, got := range judge(c.in) {
			if got != c.want[i] {
				t.Errorf("%s: %+v, want %+v", name, got, c.want[i])
			}
		}
	}
}

func TestWhatTheTokenDidNotHonourIsNamed(t *testing.T) {
	t.Parallel()
	asked := broker.GenerateIn{Spec: broker.AES256}
	honest := func() facts {
		number := func(n byte) []byte { return p11.NewAttribute(0, uint(n)).Value }
		return facts{
			p11.CKA_KEY_TYPE: number(p11.CKK_AES), p11.CKA_VALUE_LEN: number(32),
			p11.CKA_SENSITIVE: {1}, p11.CKA_EXTRACTABLE: {1}, p11.CKA_PRIVATE: {1}, p11.CKA_MODIFIABLE: {0},
			p11.CKA_ENCRYPT: {0}, p11.CKA_DECRYPT: {0}, p11.CKA_WRAP: {0},
		}
	}
	if err := honest().honours(asked); err != nil {
		t.Error(err)
	}
	for kind, name := range map[uint]string{
		p11.CKA_SENSITIVE: "CKA_SENSITIVE", p11.CKA_EXTRACTABLE: "CKA_EXTRACTABLE", p11.CKA_PRIVATE: "CKA_PRIVATE",
		p11.CKA_MODIFIABLE: "CKA_MODIFIABLE", p11.CKA_ENCRYPT: "CKA_ENCRYPT", p11.CKA_DECRYPT: "CKA_DECRYPT", p11.CKA_WRAP: "CKA_WRAP",
	} {
		f := honest()
		f[kind] = []byte{1 - f[kind][0]}
		if err := f.honours(asked); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := honest()
	delete(f, p11.CKA_SENSITIVE)
	if err := f.honours(asked); err == nil || !strings.Contains(err.Error(), "not answered") {
		t.Errorf("unanswered: %v", err)
	}
	other := asked
	other.Spec = broker.AES128
	if err := honest().honours(other); err == nil {
		t.Error("another size was not noticed")
	}
}

// What an id is made of comes back, and no two ids of different CKA_IDs are the same
// but those of a text that looks like the hex form of bytes.
func TestIDLeadsBackToItsBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 1, 40), rapid.Map(rapid.StringMatching(`(0x)?[0-9a-fA-F]{1,8}`), func(s string) []byte { return []byte(s) })).Draw(t, "CKA_ID")
		id := broker.ObjectID(b)
		if broker.ObjectID(ckaID(id)) != id {
			t.Fatalf("%x is %s, which is %x", b, id, ckaID(id))
		}
		if !bytes.Equal(ckaID(id), b) && !strings.HasPrefix(string(b), "0x") {
			t.Fatalf("%x is %s, which is %x", b, id, ckaID(id))
		}
	})
}

func TestCacheIsBelievedOnlyWhereItFits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	info := broker.TokenInfo{Serial: "1", Model: "m", Firmware: "1.0", Library: "lib 1.0"}
	var plans []broker.Plan
	for _, spec := range broker.KeySpecs() {
		for _, m := range broker.Mechanisms() {
			plans = append(plans, broker.Plan{Spec: spec, Mechanism: m, Reason: "none"})
		}
	}
	c := cacheOf(dir, info)
	var keep []broker.KeepPlan
	for _, spec := range broker.KeySpecs() {
		keep = append(keep, broker.KeepPlan{Spec: spec, Reason: "none"})
	}
	if err := c.write(&cached{Plans: plans, Keep: keep}); err != nil {
		t.Fatal(err)
	}
	if got, why := c.read(); got == nil || len(got.Plans) != len(plans) || len(got.Keep) != len(keep) {
		t.Fatalf("not used: %s", why)
	}
	for _, other := range []broker.TokenInfo{
		{Serial: "2", Model: "m", Firmware: "1.0", Library: "lib 1.0"},
		{Serial: "1", Model: "m", Firmware: "1.1", Library: "lib 1.0"},
		{Serial: "1", Model: "m", Firmware: "1.0", Library: "lib 1.1"},
	} {
		if got, _ := cacheOf(dir, other).read(); got != nil {
			t.Errorf("used for %+v", other)
		}
	}
	text, err := os.ReadFile(c.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "half": text[:len(text)/2], "no JSON": []byte("plans"),
		"another token's":    bytes.Replace(text, []byte(`"serial": "1"`), []byte(`"serial": "9"`), 1),
		"nothing of keeping": bytes.Replace(text, []byte(`"keep": [`), []byte(`"kept": [`), 1),
		"a row short":        bytes.Replace(text, []byte(`"aes-128"`), []byte(`"aes-129"`), 1),
	} {
		if err := os.WriteFile(c.path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _ := c.read(); got != nil {
			t.Errorf("%s: believed", name)
		}
	}
	if err := errors.Join(os.WriteFile(c.path, text, 0o600), os.Chmod(c.path, 0o666)); err != nil {
		t.Fatal(err)
	}
	if got, why := c.read(); got != nil || !strings.Contains(why, "may be written by others") {
		t.Errorf("a file that others may write is believed: %s", why)
	}
	cacheIsOurs(t, c)
	left, _ := filepath.Glob(filepath.Join(dir, "*.tmp"))
	if len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// cacheIsOurs: a link and another user's file are not believed.
func cacheIsOurs(t *testing.T, c cache) {
	t.Helper()
	elsewhere := filepath.Join(filepath.Dir(c.path), "elsewhere")
	if err := errors.Join(os.Rename(c.path, elsewhere), os.Chmod(elsewhere, 0o600), os.Symlink(elsewhere, c.path)); err != nil {
		t.Fatal(err)
	}
	if got, why := c.read(); got != nil || !strings.Contains(why, "no regular file") {
		t.Errorf("a link is believed: %s", why)
	}
	if err := os.Rename(elsewhere, c.path); err != nil {
		t.Fatal(err)
	}
	if got, why := c.read(); got == nil {
		t.Errorf("our own again, it is not used: %s", why)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(c.path, 65534, -1); err != nil {
			t.Fatal(err)
		}
		if got, why := c.read(); got != nil || !strings.Contains(why, "another user's") {
			t.Errorf("another user's is believed: %s", why)
		}
	}
}

func TestPublicPointIsTakenInBothForms(t *testing.T) {
	t.Parallel()
	g, err := broker.CanonicalSPKI(broker.Secp256k1PublicKey([]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	bare := g[len(g)-65:]
	for name, point := range map[string][]byte{"bare": bare, "in an OCTET STRING": append([]byte{0x04, 65}, bare...)} {
		if got, err := curveSPKI(broker.Secp256k1, point); err != nil || !bytes.Equal(got, g) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for _, bad := range [][]byte{nil, bare[:64], append([]byte{4}, make([]byte, 64)...)} {
		if _, err := curveSPKI(broker.ECP256, bad); err == nil {
			t.Errorf("%d bytes are taken as a point of P-256", len(bad))
		}
	}
}
