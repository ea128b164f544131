package azureemu_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	return emutest.Must(hex.DecodeString(s))(t)
}

func onCurve(name azkeys.CurveName) func(*azkeys.ImportKeyParameters) {
	return func(in *azkeys.ImportKeyParameters) { in.Key.Crv = &name }
}

// What the strict reading refuses and the lenient one takes, and nothing else.
func TestStrictAndLenient(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	kek := e.kek(c, "kek")
	_, ec := emutest.EC(t, elliptic.P256())
	late := time.Now().Add(-time.Hour)
	old, off, enabled := e.kek(c, "old"), e.kek(c, "off"), false
	emutest.Must(c.UpdateKey(t.Context(), "off", "", azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: &enabled}}, nil))(t)
	emutest.Must(c.UpdateKey(t.Context(), "old", "", azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Expires: &late}}, nil))(t)
	p256, p521 := onCurve(azkeys.CurveNameP256), onCurve(azkeys.CurveNameP521)
	for name, bring := range map[string]func() error{
		"unknown member": func() error {
			_, err := e.bring(c, "a", azkeys.KeyTypeECHSM, blob(t, kek, ec, func(b map[string]any) { b["colour"] = "red" }), p256)
			return err
		},
		"padded ciphertext": func() error {
			_, long := emutest.EC(t, elliptic.P521()) // of a length that needs padding
			_, err := e.bring(c, "a", azkeys.KeyTypeECHSM, blob(t, kek, long, func(b map[string]any) { b["ciphertext"] = padded(b["ciphertext"]) }), p521)
			return err
		},
		"operations left out": func() error {
			_, err := e.bring(c, "a", azkeys.KeyTypeECHSM, blob(t, kek, ec), p256, func(in *azkeys.ImportKeyParameters) { in.Key.KeyOps = nil })
			return err
		},
		"KEK that expired": func() error {
			_, err := e.bring(c, "a", azkeys.KeyTypeECHSM, blob(t, old, ec), p256)
			return err
		},
		"KEK that is disabled": func() error {
			_, err := e.bring(c, "a", azkeys.KeyTypeECHSM, blob(t, off, ec), p256)
			return err
		},
		"symmetric key made in a premium vault": func() error {
			kty := azkeys.KeyTypeOctHSM
			_, err := c.CreateKey(t.Context(), "b", azkeys.CreateKeyParameters{Kty: &kty}, nil)
			return err
		},
	} {
		e.configure(azureemu.Change{Settings: &azureemu.Settings{}})
		if err := bring(); err == nil {
			t.Errorf("%s: strictly taken", name)
		}
		e.configure(azureemu.Change{Settings: &azureemu.Settings{Lenient: true}})
		if err := bring(); err != nil {
			t.Errorf("%s: leniently refused: %v", name, err)
		}
	}
	_, err := e.bring(c, "c", azkeys.KeyTypeECHSM, blob(t, kek, ec, func(b map[string]any) { b["schema_version"] = "2" }), p256)
	refused(t, err, 400, "BadParameter")
}

// padded is a ciphertext with padding.
func padded(ciphertext any) string {
	text, _ := ciphertext.(string)
	return text + strings.Repeat("=", -len(text)&3)
}

// The material of a refused import is in no report.
func TestRefusedImportLeavesNothing(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	kek := e.kek(c, "kek")
	_, ec := emutest.EC(t, elliptic.P384())
	_, err := e.bring(c, "a", azkeys.KeyTypeECHSM, blob(t, kek, ec), onCurve(azkeys.CurveNameP256))
	refused(t, err, 400, "BadParameter")
	report := emutest.Must(e.admin.Report(t.Context()))(t)
	if len(report.Materials) != 0 || len(report.Keys) != 1 {
		t.Errorf("report: %+v", report)
	}
}

// A plain key's material is reported as the PKCS#8 that holds its values.
func TestPlainKeyIsReported(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	private, der := emutest.EC(t, elliptic.P256())
	point := emutest.Must(private.PublicKey.Bytes())(t)
	kty, crv := azkeys.KeyTypeEC, azkeys.CurveNameP256
	got := emutest.Must(e.client(azureemu.DefaultStandard).ImportKey(t.Context(), "a", azkeys.ImportKeyParameters{Key: &azkeys.JSONWebKey{
		Kty: &kty, Crv: &crv, D: emutest.Must(private.Bytes())(t), X: point[1:33], Y: point[33:],
	}}, nil))(t)
	if len(got.Key.D) != 0 {
		t.Error("the private half came back")
	}
	k := emutest.Must(e.admin.Report(t.Context()))(t).Keys[0]
	want := sum(emutest.SPKI(t, private))
	if k.Origin != "external" || k.Spec != "EC P-256" || k.Versions[0].PublicSHA256 != want {
		t.Errorf("report: %+v of %x", k, der)
	}
	if _, err := x509.ParsePKCS8PrivateKey(der); err != nil {
		t.Fatal(err)
	}
}

// Several readings of the same base64 are one.
func TestKeyHSMIsReadOneWay(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	for _, text := range []string{"e30", "e30=", "e31"} {
		raw, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		_, err := e.bring(c, "a", azkeys.KeyTypeRSAHSM, raw)
		var api *azcore.ResponseError
		if !errors.As(err, &api) || api.StatusCode != 400 {
			t.Errorf("%q: %v", text, err)
		}
	}
}
