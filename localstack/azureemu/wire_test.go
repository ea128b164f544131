package azureemu_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

// reply is an answer as it came over the wire.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) code(t *testing.T) string {
	t.Helper()
	var out struct {
		Error struct {
			Code, Message string
			InnerError    struct{ Code string }
		}
	}
	if err := json.Unmarshal(r.body, &out); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	if out.Error.Code != "" && out.Error.Message == "" {
		t.Errorf("an error without words: %s", r.body)
	}
	return strings.TrimSuffix(out.Error.Code+"/"+out.Error.InnerError.Code, "/")
}

// exchange sends a request by hand; a token is added unless the host is another.
func (e *emulator) exchange(method, host, path, body string, header map[string]string) reply {
	e.Helper()
	base := e.server.URL(azureemu.DefaultPremium)
	req := emutest.Must(http.NewRequestWithContext(e.Context(), method, base+path, strings.NewReader(body)))(e.T)
	req.Header.Set("Authorization", "Bearer "+emutest.Must(e.server.Bearer(""))(e.T))
	if host != "" {
		req.Host = host
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp := emutest.Must(e.http.Do(req))(e.T)
	defer func() { _ = resp.Body.Close() }()
	return reply{resp.StatusCode, resp.Header, emutest.Must(io.ReadAll(resp.Body))(e.T)}
}

func TestRequestsThatAreNone(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	const version = "?api-version=7.4"
	port := e.server.Addr()[strings.LastIndex(e.server.Addr(), ":"):]
	for name, tt := range map[string]struct {
		method, host, path, body string
		status                   int
		code                     string
	}{
		"list":                {"GET", "", "/keys" + version, "", 200, ""},
		"host in capitals":    {"GET", "PREMIUM.Vault.LocalHost" + port, "/keys" + version, "", 200, ""},
		"host without port":   {"GET", "premium.vault.localhost", "/keys" + version, "", 200, ""},
		"another vault":       {"GET", "none.vault.localhost" + port, "/keys" + version, "", 404, "VaultNotFound"},
		"the other domain":    {"GET", "premium.managedhsm.localhost" + port, "/keys" + version, "", 404, "VaultNotFound"},
		"an address":          {"GET", "127.0.0.1" + port, "/keys" + version, "", 404, "VaultNotFound"},
		"no version":          {"GET", "", "/keys", "", 400, "BadParameter"},
		"two versions":        {"GET", "", "/keys" + version + "&api-version=7.5", "", 400, "BadParameter"},
		"an unknown version":  {"GET", "", "/keys?api-version=2015-06-01", "", 400, "BadParameter"},
		"no operation":        {"POST", "", "/keys/a/dance" + version, "", 404, "NotFound"},
		"an encoded name":     {"GET", "", "/keys/bad%2Fname" + version, "", 404, "NotFound"},
		"a bad name":          {"GET", "", "/keys/bad_name" + version, "", 400, "BadParameter"},
		"a body with get":     {"GET", "", "/keys/a" + version, `{"a":1}`, 400, "BadParameter"},
		"an empty object":     {"GET", "", "/keys/a" + version, `{}`, 404, "KeyNotFound"},
		"no body":             {"PUT", "", "/keys/a" + version, "", 400, "BadParameter"},
		"no object":           {"PUT", "", "/keys/a" + version, "[]", 400, "BadParameter"},
		"null":                {"PUT", "", "/keys/a" + version, "null", 400, "BadParameter"},
		"two objects":         {"PUT", "", "/keys/a" + version, "{}{}", 400, "BadParameter"},
		"no key":              {"PUT", "", "/keys/a" + version, "{}", 400, "BadParameter"},
		"unknown in the key":  {"PUT", "", "/keys/a" + version, `{"key":{"kty":"RSA","colour":"red"}}`, 400, "BadParameter"},
		"case in the key":     {"PUT", "", "/keys/a" + version, `{"key":{"KTY":"RSA"}}`, 400, "BadParameter"},
		"blob and values":     {"PUT", "", "/keys/a" + version, `{"key":{"kty":"RSA","key_ops":["sign"],"key_hsm":"e30","n":"AQ"}}`, 400, "BadParameter"},
		"a date of null":      {"POST", "", "/keys/a/create" + version, `{"kty":"EC","attributes":{"exp":null}}`, 400, "BadParameter"},
		"a plain oct key":     {"PUT", "", "/keys/a" + version, `{"key":{"kty":"oct","k":"AAAA"}}`, 400, "KeyTypeNotSupported"},
		"a long body":         {"PUT", "", "/keys/a" + version, strings.Repeat(" ", 1<<20+1), 413, ""},
		"deleted, and is not": {"GET", "", "/deletedkeys/a" + version, "", 404, "KeyNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			got := e.exchange(tt.method, tt.host, tt.path, tt.body, nil)
			if got.status != tt.status || tt.status != 413 && got.code(t) != tt.code {
				t.Errorf("%d %s, want %d %s", got.status, got.body, tt.status, tt.code)
			}
			if got.header.Get("Server") != "keyferry-emulator" || got.header.Get("X-Ms-Request-Id") == "" {
				t.Errorf("headers: %v", got.header)
			}
		})
	}
}

// Without a token nothing else is looked at, and the call is a challenge.
func TestChallengeComesFirst(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	for _, path := range []string{"/keys", "/keys/bad_name/create", "/nothing", "/keys/a?api-version=none"} {
		got := e.exchange(http.MethodPut, "", path, "no JSON", map[string]string{"Authorization": ""})
		want := `Bearer authorization="` + e.server.AuthorityURL() + "/" + e.server.Tenant() + `", resource="` + e.server.Resource(azureemu.Premium) + `"`
		if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != want || !bytes.Contains(got.body, []byte("AKV10000")) {
			t.Errorf("%s: %d %v %s", path, got.status, got.header, got.body)
		}
	}
	got := e.exchange(http.MethodGet, "", "/keys?api-version=7.4", "", map[string]string{"Authorization": "Basic eDp5"})
	if got.status != http.StatusUnauthorized {
		t.Errorf("another scheme: %d", got.status)
	}
}

// What an answer has, to the member.
func TestAnswersHaveTheMembersOfTheAPI(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	const version = "?api-version=2025-07-01"
	got := e.exchange(http.MethodPost, "", "/keys/a/create"+version, `{"kty":"EC-HSM","crv":"P-256","attributes":{"nbf":1000000000,"exp":2000000000},"tags":{"a":"b"}}`, nil)
	var bundle struct{ Key, Attributes, Tags map[string]any }
	if err := json.Unmarshal(got.body, &bundle); err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		have  map[string]any
		names string
	}{
		{bundle.Key, "kid kty key_ops crv x y"},
		{bundle.Attributes, "enabled nbf exp created updated recoveryLevel recoverableDays exportable hsmPlatform"},
		{bundle.Tags, "a"},
	} {
		names := strings.Fields(part.names)
		for _, name := range names {
			if _, ok := part.have[name]; !ok {
				t.Errorf("%s is missing: %s", name, got.body)
			}
		}
		if len(part.have) != len(names) {
			t.Errorf("more than %s: %s", part.names, got.body)
		}
	}
	list := e.exchange(http.MethodGet, "", "/keys"+version, "", nil)
	if !bytes.Contains(list.body, []byte(`"nextLink":null`)) {
		t.Errorf("a last page: %s", list.body)
	}
	got = e.exchange(http.MethodDelete, "", "/keys/a"+version, "", nil)
	for _, name := range []string{"recoveryId", "deletedDate", "scheduledPurgeDate"} {
		if !bytes.Contains(got.body, []byte(`"`+name+`":`)) {
			t.Errorf("%s is missing: %s", name, got.body)
		}
	}
	if got = e.exchange(http.MethodDelete, "", "/deletedkeys/a"+version, "", nil); got.status != http.StatusNoContent || len(got.body) != 0 {
		t.Errorf("purged: %d %s", got.status, got.body)
	}
}
