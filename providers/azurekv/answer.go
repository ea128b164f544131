package azurekv

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/keyferry/keyferry/broker"
)

// answer is what a refusal says (Key Vault's error envelope).
type answer struct {
	status      int
	code, inner string
	message     string
	err         error // the SDK's
}

// Error is the codes and what was said about them.
func (a *answer) Error() string {
	words := []string{strconv.Itoa(a.status)}
	for _, w := range []string{a.code, a.inner, a.message} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, ": ")
}

// Unwrap gives the SDK's error.
func (a *answer) Unwrap() error { return a.err }

// passing: a key that is being deleted or recovered is a conflict that ends. Where the
// inner code, which no page lists, is missing, the words say so.
func (a *answer) passing() bool {
	return a.status == http.StatusConflict && a.inner == "" &&
		(strings.Contains(a.message, "retry later") || strings.Contains(a.message, "sequential manner"))
}

// byState: the state of a key refuses it, not a role. No page lists the codes for that;
// the words are those that secrets have ("Operation get is not allowed on a disabled
// secret").
func (a *answer) byState() bool {
	coded := slices.ContainsFunc([]string{a.inner, a.code}, func(code string) bool {
		return code == keyDisabled || code == "KeyExpired" || code == "KeyNotYetValid"
	})
	return coded || a.status == http.StatusForbidden && strings.Contains(a.message, "is not allowed on a")
}

// disabled: it is because a key is.
func (a *answer) disabled() bool {
	return a.inner == keyDisabled || a.code == keyDisabled || a.byState() && strings.Contains(a.message, "on a disabled")
}

// envelope is the body of a refusal. Members match in any case: one page writes
// innerError.
type envelope struct {
	Error struct {
		Message    string `json:"message"`
		InnerError struct {
			Code string `json:"code"`
		} `json:"innererror"`
	} `json:"error"`
}

// answerOf reads a refusal; nil where the vault gave none.
func answerOf(err error) *answer {
	refused, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return nil
	}
	a := &answer{status: refused.StatusCode, code: plain(refused.ErrorCode), err: err}
	if refused.RawResponse == nil || refused.RawResponse.Body == nil {
		return a
	}
	body, _ := io.ReadAll(refused.RawResponse.Body) // the SDK keeps it in memory
	var said envelope
	if json.Unmarshal(body, &said) == nil {
		a.message, a.inner = oneLine(said.Error.Message), plain(said.Error.InnerError.Code)
	}
	return a
}

// cause takes the SDK's wrapping away.
func cause(err error, a *answer) error {
	if e, ok := errors.AsType[*broker.Error](err); ok && e.Cause != nil {
		return e.Cause
	}
	if a != nil {
		return a
	}
	if transport, ok := errors.AsType[*url.Error](err); ok {
		return quoted{transport}
	}
	return quoted{err}
}

// quoted is an error in plain text.
type quoted struct{ err error }

// Error is the error's text.
func (q quoted) Error() string { return oneLine(q.err.Error()) }

// Unwrap gives the error.
func (q quoted) Unwrap() error { return q.err }

// maxMessage is the most of an endpoint's own text that is passed on, in bytes.
const maxMessage = 2000

// plain is an endpoint's text without what could forge a line or move a cursor.
func plain(text string) string { return broker.Printable(text, maxMessage) }

// oneLine is an endpoint's words, which are often in several lines, as one.
func oneLine(text string) string { return plain(strings.Join(strings.Fields(text), " ")) }

// short is a header's value: of ids.
func short(text string) string { return plain(text[:min(len(text), 128)]) }
