package azureemu_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"pgregory.net/rapid"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

func ecKey() azkeys.CreateKeyParameters {
	kty := azkeys.KeyTypeEC
	return azkeys.CreateKeyParameters{Kty: &kty}
}

// world is what a vault should be, by soft delete's documentation: one key under the
// test, its versions, and when its stage ends.
type world struct {
	stage    string // none, active, deleting, deleted, recovering, purging
	due      time.Time
	purgeAt  time.Time
	versions int
}

const (
	deleteDelay  = 10 * time.Second
	recoverDelay = 20 * time.Second
	purgeDelay   = 30 * time.Second
	retention    = 7 * 24 * time.Hour
)

func (w *world) elapse(now time.Time) {
	if w.stage == "deleting" && !now.Before(w.due) {
		w.stage = "deleted"
	}
	switch {
	case w.stage == "recovering" && !now.Before(w.due):
		w.stage = "active"
	case w.stage == "deleted" && !now.Before(w.purgeAt), w.stage == "purging" && !now.Before(w.due):
		*w = world{stage: "none"}
	}
}

// want is the status of an operation, and changes the world as it should.
func (w *world) want(operation string, now time.Time) int {
	w.elapse(now)
	there, gone := w.stage == "active", w.stage == "deleted"
	switch {
	case operation == "create" && (there || w.stage == "none"):
		w.stage = "active"
		w.versions++
	case operation == "create":
		return http.StatusConflict
	case operation == "get" && there, operation == "getDeleted" && gone:
	case operation == "delete" && there:
		w.stage, w.due, w.purgeAt = "deleting", now.Add(deleteDelay), now.Add(retention)
	case operation == "recover" && gone:
		w.stage, w.due = "recovering", now.Add(recoverDelay)
	case operation == "recover" && (w.stage == "deleting" || w.stage == "recovering"):
		return http.StatusConflict
	case operation == "purge" && gone:
		w.stage, w.due = "purging", now.Add(purgeDelay)
		return http.StatusNoContent
	default:
		return http.StatusNotFound
	}
	return http.StatusOK
}

// Whatever is done in whatever order, a key is where soft delete says.
func TestSoftDeleteIsAStateMachine(t *testing.T) {
	t.Parallel()
	e := start(t, azureemu.Config{
		Vaults: []azureemu.Vault{{Name: "vault", Mode: azureemu.Premium, RetentionDays: 7}},
		Settings: azureemu.Settings{
			DeleteDelay: 10, RecoverDelay: 20, PurgeDelay: 30,
		},
	})
	requests := map[string][2]string{
		"create": {"POST", "/keys/a/create"}, "get": {"GET", "/keys/a"}, "delete": {"DELETE", "/keys/a"}, "getDeleted": {"GET", "/deletedkeys/a"},
		"recover": {"POST", "/deletedkeys/a/recover"}, "purge": {"DELETE", "/deletedkeys/a"},
	}
	token := emutest.Must(e.server.Bearer(""))(t)
	rapid.Check(t, func(rt *rapid.T) {
		if err := e.admin.Reset(t.Context()); err != nil {
			rt.Fatal(err)
		}
		w := &world{stage: "none"}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			e.advance(time.Duration(rapid.SampledFrom([]int{0, 0, 5, 11, 21, 31, 700000}).Draw(rt, "seconds")) * time.Second)
			name := rapid.SampledFrom([]string{"create", "create", "get", "delete", "getDeleted", "recover", "purge"}).Draw(rt, "operation")
			want := w.want(name, e.server.Now())
			if got := e.raw(token, requests[name][0], requests[name][1], `{"kty":"EC"}`); got != want {
				rt.Fatalf("%s: %d, want %d, of a key that is %s", name, got, want, w.stage)
			}
			e.holds(rt, w)
		}
	})
}

// holds compares the report with the world.
func (e *emulator) holds(rt *rapid.T, w *world) {
	w.elapse(e.server.Now())
	report, err := e.admin.Report(e.Context())
	if err != nil {
		rt.Fatal(err)
	}
	there := w.stage != "none" && w.stage != "purging"
	if (len(report.Keys) == 1) != there {
		rt.Fatalf("%d keys while it is %s", len(report.Keys), w.stage)
	}
	if there && report.Keys[0].Pending != strings.HasPrefix(w.stage, "delet") {
		rt.Fatalf("pending deletion is %t while it is %s", report.Keys[0].Pending, w.stage)
	}
}

// raw sends a request without an SDK and returns its status.
func (e *emulator) raw(token, method, path, body string) int {
	e.Helper()
	if method != http.MethodPost || strings.HasSuffix(path, "/recover") {
		body = ""
	}
	req := emutest.Must(http.NewRequestWithContext(e.Context(), method, e.server.URL("vault")+path+"?api-version=7.4", strings.NewReader(body)))(e.T)
	req.Header.Set("Authorization", "Bearer "+token)
	resp := emutest.Must(e.http.Do(req))(e.T)
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestRotationMakesMaterialOfAzures(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	kek := e.kek(c, "kek")
	der := emutest.RSA(t)
	emutest.Must(e.bring(c, "a", azkeys.KeyTypeRSAHSM, blob(t, kek, der)))(t)
	emutest.Must(c.RotateKey(t.Context(), "a", nil))(t)
	report := emutest.Must(e.admin.Report(t.Context()))(t)
	for _, k := range report.Keys {
		if k.Name == "a" && (k.Origin != "mixed" || len(k.Versions) != 1 || k.Versions[0].SHA256 != sum(der) || k.Commits["RotateKey"] != 1) {
			t.Errorf("report: %+v", k)
		}
	}
}

func TestReportFindsTwinsAcrossVaults(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	der := emutest.RSA(t)
	for _, vault := range []string{azureemu.DefaultPremium, azureemu.DefaultPool} {
		c := e.client(vault)
		emutest.Must(e.bring(c, "a", azkeys.KeyTypeRSAHSM, blob(t, e.kek(c, "kek"), der)))(t)
	}
	report := emutest.Must(e.admin.Report(t.Context()))(t)
	m := report.Materials[sum(der)]
	if m.Versions != 2 || len(report.Twins) != 1 || report.Names["a"].Twins != 1 || report.Names["a"].Keys != 2 || report.Names["kek"].Orphans != 0 {
		t.Errorf("report: %+v", report)
	}
}

func TestPagesMayEndAnywhere(t *testing.T) {
	t.Parallel()
	e := start(t, azureemu.Config{Settings: azureemu.Settings{PageSize: 2, EmptyPages: true}})
	c := e.client(azureemu.DefaultStandard)
	for _, name := range []string{"c", "a", "e", "b", "d"} {
		emutest.Must(c.CreateKey(t.Context(), name, ecKey(), nil))(t)
	}
	var names []string
	pages, empty := 0, 0
	pager := c.NewListKeyPropertiesPager(nil)
	for pager.More() {
		page := emutest.Must(pager.NextPage(t.Context()))(t)
		pages++
		if len(page.Value) == 0 {
			empty++
		}
		for _, k := range page.Value {
			names = append(names, k.KID.Name())
			if k.KID.Name() == "b" { // entries come and go between pages
				emutest.Must(c.DeleteKey(t.Context(), "c", nil))(t)
			}
		}
	}
	if got := strings.Join(names, ""); got != "abde" || pages != 4 || empty != 2 {
		t.Errorf("%s in %d pages, %d empty", got, pages, empty)
	}
}
