package awskms_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/awskms"
)

// hostile is a provider whose endpoint answers as it likes.
func hostile(t *testing.T, answer func(string, http.ResponseWriter)) *awskms.Provider {
	t.Helper()
	s := newScript(t, answer)
	p, err := awskms.Open(t.Context(), awskms.Config{
		Account: account, Region: region, Endpoint: s.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "x", ""),
		Settle: time.Second, Poll: 20 * time.Millisecond, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func lookAt(t *testing.T, p *awskms.Provider) (last error) {
	t.Helper()
	ref := broker.KeyRef{ID: fmt.Sprintf("arn:aws:kms:%s:%s:key/%s", region, account, noKey)}
	for _, err := range p.Look(t.Context(), broker.Query{Key: &ref}) {
		last = err
	}
	return last
}

// What floods ends as an answer that was cut, long before memory does.
func TestAnEndlessAnswerIsCut(t *testing.T) {
	t.Parallel()
	const much = 64 << 20
	var sent atomic.Int64
	p := hostile(t, func(_ string, w http.ResponseWriter) {
		_, _ = io.WriteString(w, `{"KeyMetadata":{"Description":"`)
		block := bytes.Repeat([]byte("a"), 1<<20)
		for begun := sent.Load(); sent.Load()-begun < much; {
			n, err := w.Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	if err := lookAt(t, p); broker.KindOf(err) != broker.Unavailable {
		t.Errorf("%v", err)
	}
	if sent.Load() >= much {
		t.Errorf("%d MiB were taken", sent.Load()>>20)
	}
}

// An endpoint's message moves no cursor, forges no line, and fits into a record.
func TestAMessageIsPlainText(t *testing.T) {
	t.Parallel()
	for _, message := range []string{`\u001b[2J\u001b]0;owned\u0007all is well\r\nkeyferry: imported`, `a\u0000b`} {
		err := lookAt(t, hostile(t, failing(http.StatusBadRequest, "ValidationException", message)))
		if err == nil {
			t.Fatal("no error")
		}
		for _, r := range err.Error() {
			if unicode.IsControl(r) {
				t.Errorf("%q", err)
			}
		}
	}
}
