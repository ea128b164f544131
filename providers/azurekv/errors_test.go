package azurekv_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/azurekv"
)

// TestErrorTable has each refusal on an import, which changes something, and on a look.
func TestErrorTable(t *testing.T) {
	t.Parallel()
	type row struct {
		status      int
		code, inner string
		message     string
		change      broker.Kind
		read        broker.Kind
	}
	for name, x := range map[string]row{
		"bad parameter":      {400, "BadParameter", "", "", broker.Rejected, broker.Rejected},
		"key type":           {400, "BadParameter", "KeyTypeNotSupported", "", broker.Unsupported, broker.Unsupported},
		"key type, on top":   {400, "KeyTypeNotSupported", "", "", broker.Unsupported, broker.Unsupported},
		"no token":           {401, "Unauthorized", "", "", broker.Denied, broker.Denied},
		"no role":            {403, "Forbidden", "ForbiddenByRbac", "", broker.Denied, broker.Denied},
		"firewall":           {403, "Forbidden", "ForbiddenByFirewall", "", broker.Denied, broker.Denied},
		"unknown inner code": {403, "Forbidden", "Else", "", broker.Denied, broker.Denied},
		"disabled":           {403, "Forbidden", "KeyDisabled", "", broker.Expired, ""},
		"expired":            {403, "Forbidden", "KeyExpired", "", broker.Expired, broker.Conflict},
		"early":              {403, "Forbidden", "KeyNotYetValid", "", broker.Expired, broker.Conflict},
		"disabled, in words": {403, "Forbidden", "", "Operation get is not allowed on a disabled key.", broker.Expired, ""},
		"expired, in words":  {403, "Forbidden", "Else", "Operation sign is not allowed on an expired key.", broker.Expired, broker.Conflict},
		"not there":          {404, "KeyNotFound", "", "", broker.NotFound, ""},
		"method":             {405, "MethodNotAllowed", "", "", broker.Unsupported, broker.Unsupported},
		"time-out":           {408, "RequestTimeout", "", "", broker.Unclear, broker.Unavailable},
		"conflict":           {409, "Conflict", "", "something else", broker.Conflict, broker.Conflict},
		"deleted":            {409, "Conflict", "ObjectIsDeletedButRecoverable", "", broker.Conflict, broker.Conflict},
		"being deleted":      {409, "Conflict", "ObjectIsBeingDeleted", "", broker.Unavailable, broker.Unavailable},
		"being recovered":    {409, "Conflict", "ObjectIsBeingRecovered", "", broker.Unavailable, broker.Unavailable},
		"deleted, in words":  {409, "Conflict", "", "Key x is currently being deleted and cannot be re-created; retry later.", broker.Unavailable, broker.Unavailable},
		"in sequence":        {409, "Conflict", "", "Please make sure to perform operations in a sequential manner.", broker.Unavailable, broker.Unavailable},
		"gone":               {410, "Gone", "", "", broker.Unclear, broker.Unavailable},
		"throttled":          {429, "Throttled", "", "", broker.Throttled, broker.Throttled},
		"fault":              {500, "InternalServerError", "", "", broker.Unclear, broker.Unavailable},
		"gateway":            {502, "", "", "", broker.Unclear, broker.Unavailable},
		"busy":               {503, "ServiceUnavailable", "", "", broker.Unclear, broker.Unavailable},
		"redirect":           {307, "", "", "", broker.Unclear, broker.Unavailable},
		"no content":         {204, "", "", "", broker.Unclear, broker.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, failing(x.status, x.code, x.inner, x.message))
			p := adapter(t, s)
			_, err := p.Import(t.Context(), effect(broker.StepImport), s.importing())
			if e := inWords(t, err); e.Kind != x.change {
				t.Errorf("import: %s, %v", e.Kind, err)
			}
			if n := len(s.authorised()); n != 1 {
				t.Errorf("it was sent %d times", n)
			}
			if _, err := look(t, p, broker.Query{Key: new(s.ref())}); x.read == "" && err == nil {
				return
			} else if e := inWords(t, err); x.read != "" && e.Kind != x.read {
				t.Errorf("look: %s, %v", e.Kind, err)
			}
		})
	}
}

// TestDeletedNameHasThreeWaysOut, the KEKs' two.
func TestDeletedNameHasThreeWaysOut(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(http.StatusConflict, "Conflict", "ObjectIsDeletedButRecoverable", "Key payments-db is currently in a deleted but recoverable state"))
	p := adapter(t, s)
	_, err := p.Import(t.Context(), effect(broker.StepImport), s.importing())
	hint := inWords(t, err).Hint
	for _, way := range []string{"key recover --name payments-db", "key purge --name payments-db", "another name"} {
		if !strings.Contains(hint, way) {
			t.Errorf("%q is not in %q", way, hint)
		}
	}
	_, err = p.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{Key: s.ref(), Mechanism: broker.KWPSHA1})
	if hint := inWords(t, err).Hint; !strings.Contains(hint, "recover --name keyferry-kek") || strings.Contains(hint, "another name") {
		t.Errorf("of the KEKs: %q", hint)
	}
}

// TestDeniedNamesTheAction: as the vault names it, else that of the call; none where no
// role would help.
func TestDeniedNamesTheAction(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct{ inner, message, want, hint string }{
		"named":    {"ForbiddenByRbac", `Caller is not authorized.\r\nAction: 'Microsoft.KeyVault/vaults/keys/read'\r\n`, "Microsoft.KeyVault/vaults/keys/read", ""},
		"unnamed":  {"AccessDenied", "no", "Microsoft.KeyVault/vaults/keys/import/action", ""},
		"firewall": {"ForbiddenByFirewall", "Client address is not authorized", "", "network settings"},
	} {
		s := newScript(t, failing(http.StatusForbidden, "Forbidden", x.inner, x.message))
		_, err := adapter(t, s).Import(t.Context(), effect(broker.StepImport), s.importing())
		if e := inWords(t, err); e.Permission != x.want || !strings.Contains(e.Hint, x.hint) {
			t.Errorf("%s: permission %q, hint %q", name, e.Permission, e.Hint)
		}
	}
}

// TestLinesBecomeOne: what the vault says in several lines is read as one, with spaces
// where they ended; nothing else that moves a cursor is passed on.
func TestLinesBecomeOne(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(http.StatusForbidden, "Forbidden", "ForbiddenByRbac", `Caller is not authorized.\r\n\r\nAction:\t'read'\r\nVault: a\u001b[2Jb\r\n`))
	_, err := adapter(t, s).Import(t.Context(), effect(broker.StepImport), s.importing())
	const want = "ForbiddenByRbac: Caller is not authorized. Action: 'read' Vault: a\uFFFD[2Jb"
	if e := inWords(t, err); !strings.HasSuffix(e.Cause.Error(), want) {
		t.Errorf("%q does not end in %q", e.Cause.Error(), want)
	}
}

// TestClockThatIsOff is told of where a token is refused.
func TestClockThatIsOff(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(_ asking, w http.ResponseWriter) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusUnauthorized)
	})
	_, err := look(t, adapter(t, s), broker.Query{Key: new(s.ref())})
	if e := inWords(t, err); e.Kind != broker.Denied || !strings.Contains(e.Hint, "clock") {
		t.Errorf("%v, hint %q", err, e.Hint)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "7", 7 * time.Second},
		{"Retry-After-Ms", "700", 700 * time.Millisecond},
		{"X-Ms-Retry-After-Ms", "800", 800 * time.Millisecond},
		{"Retry-After", "Sun, 31 Jan 2027 12:00:09 GMT", 9 * time.Second},
		{"Retry-After", "Sun, 31 Jan 2027 11:00:00 GMT", 0},
		{"Retry-After", "999999999", time.Hour},
		{"Retry-After", "99999999999999999999", 0},
		{"Retry-After", "-1", 0},
		{"Retry-After", "soon", 0},
		{"Date", "7", 0},
	} {
		if got := azurekv.RetryAfter(http.Header{x.name: {x.value}}, now); got != x.want {
			t.Errorf("%s: %s is %s", x.name, x.value, got)
		}
	}
	both := http.Header{"Retry-After": {"1"}, "Retry-After-Ms": {"1500"}}
	if got := azurekv.RetryAfter(both, now); got != 1500*time.Millisecond {
		t.Errorf("of both, %s", got)
	}
}

// TestThrottledSaysWhen in each of Azure's ways.
func TestThrottledSaysWhen(t *testing.T) {
	t.Parallel()
	s := newScript(t, func(a asking, w http.ResponseWriter) {
		w.Header().Set("Retry-After-Ms", "2500")
		failing(http.StatusTooManyRequests, "Throttled", "", "")(a, w)
	})
	_, err := look(t, adapter(t, s), broker.Query{Key: new(s.ref())})
	if e := inWords(t, err); e.Kind != broker.Throttled || e.RetryAfter != 2500*time.Millisecond {
		t.Errorf("%v, again in %s", err, e.RetryAfter)
	}
}

// TestAMessageIsPlainText: an endpoint's message moves no cursor, forges no line, and
// fits into a record; an id in an answer neither.
func TestAMessageIsPlainText(t *testing.T) {
	t.Parallel()
	for _, message := range []string{`\u001b[2J\u001b]0;owned\u0007all is well\r\nkeyferry: imported`, `a\u0000b`, strings.Repeat("x", 9000)} {
		s := newScript(t, func(a asking, w http.ResponseWriter) {
			if a.action == "ImportKey" {
				_, _ = io.WriteString(w, `{"key":{"kid":"`+message+`"}}`)
				return
			}
			failing(http.StatusBadRequest, "Bad\\u001bParameter", "In\\u0007ner", message)(a, w)
		})
		p := adapter(t, s)
		_, read := look(t, p, broker.Query{Key: new(s.ref())})
		_, change := p.Import(t.Context(), effect(broker.StepImport), s.importing())
		for _, err := range []error{read, change} {
			if err == nil {
				t.Fatal("no error")
			}
			if text := err.Error(); strings.ContainsFunc(text, unicode.IsControl) || len(text) > 6000 {
				t.Errorf("%q", text)
			}
		}
	}
}

// TestAnEndlessAnswerIsCut long before memory is.
func TestAnEndlessAnswerIsCut(t *testing.T) {
	t.Parallel()
	const much = 64 << 20
	var sent atomic.Int64
	s := newScript(t, func(_ asking, w http.ResponseWriter) {
		_, _ = io.WriteString(w, `{"key":{"kid":"`)
		block := bytes.Repeat([]byte("a"), 1<<20)
		for begun := sent.Load(); sent.Load()-begun < much; {
			n, err := w.Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	p := adapter(t, s)
	if _, err := look(t, p, broker.Query{Key: new(s.ref())}); broker.KindOf(err) != broker.Unavailable {
		t.Errorf("look: %v", err)
	}
	if _, err := p.Import(t.Context(), effect(broker.StepImport), s.importing()); broker.KindOf(err) != broker.Unclear {
		t.Errorf("import: %v", err)
	}
	if sent.Load() >= 2*much {
		t.Errorf("%d MiB were taken", sent.Load()>>20)
	}
}

// TestUnreachable: what was never sent did nothing, and who can help is told.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(500, "", "", ""))
	p := adapter(t, s, func(c *azurekv.Config) { c.CAPEM = nil })
	_, err := p.Import(t.Context(), effect(broker.StepImport), s.importing())
	if e := inWords(t, err); e.Kind != broker.Denied || !strings.Contains(e.Hint, "CA") {
		t.Errorf("under another CA: %v, hint %q", err, e.Hint)
	}
	p = adapter(t, s, func(c *azurekv.Config) { c.VaultURL = "https://test.vault.localhost:1" })
	in := s.importing()
	in.Key.ID, in.Token = "https://test.vault.localhost:1/keys/x", []byte("https://test.vault.localhost:1/keys/keyferry-kek/"+kekVersion)
	_, err = p.Import(t.Context(), effect(broker.StepImport), in)
	if e := inWords(t, err); e.Kind != broker.Unavailable || !strings.Contains(e.Hint, "nothing was sent") {
		t.Errorf("nobody listens: %v, hint %q", err, e.Hint)
	}
	p = adapter(t, s, func(c *azurekv.Config) { c.Credentials.Tokens = &fixed{err: errors.New("no credentials here")} })
	_, err = p.Import(t.Context(), effect(broker.StepImport), s.importing())
	if e := inWords(t, err); e.Kind != broker.Unavailable || !strings.Contains(e.Hint, "credentials") {
		t.Errorf("no token: %v, hint %q", err, e.Hint)
	}
	if n := len(s.authorised()); n != 0 {
		t.Errorf("%d calls came with a token", n)
	}
}
