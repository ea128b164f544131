package azureemu_test

import (
	"crypto/elliptic"
	"maps"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
)

// The report counts what was imported under which version of a KEK, and only that.
func TestReportCountsWhatCameUnderAKEK(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	older, newer := e.kek(c, "kek"), e.kek(c, "kek")
	_, ec := emutest.EC(t, elliptic.P256())
	p256 := onCurve(azkeys.CurveNameP256)
	for range 2 {
		emutest.Must(e.bring(c, "a", azkeys.KeyTypeECHSM, blob(t, older, ec), p256))(t)
	}
	if _, err := e.bring(c, "b", azkeys.KeyTypeECHSM, blob(t, newer, []byte("no key")), p256); err == nil {
		t.Error("it took what is no key")
	}
	want := map[string]int{older.KID.Version(): 2}
	for _, k := range emutest.Must(e.admin.Report(t.Context()))(t).Keys {
		if k.Name == "kek" && !maps.Equal(k.Unwrapped, want) || k.Name != "kek" && len(k.Unwrapped) > 0 {
			t.Errorf("under versions of %s came %v, want %v", k.Name, k.Unwrapped, want)
		}
	}
}

// A fault rule's code carries that of innererror behind a slash.
func TestFaultWithAnInnerCode(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	rule := on("CreateKey", faults.Fail)
	rule.Code, rule.Message = "Forbidden/ForbiddenByFirewall", "Client address is not authorized"
	emutest.Must(e.admin.Add(t.Context(), rule))(t)
	_, err := e.client(azureemu.DefaultPremium).CreateKey(t.Context(), "a", ecKey(), nil)
	refused(t, err, 403, "Forbidden")
	if err == nil || !strings.Contains(err.Error(), `"innererror": {`) || !strings.Contains(err.Error(), "ForbiddenByFirewall") {
		t.Errorf("it has no inner code: %v", err)
	}
}
