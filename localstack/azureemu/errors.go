package azureemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/keyferry/keyferry/localstack/faults"
)

// Error codes of Key Vault (REST API error codes), and inner ones.
const (
	codeUnauthorized   = "Unauthorized"
	codeForbidden      = "Forbidden"
	codeBadParameter   = "BadParameter"
	codeKeyType        = "KeyTypeNotSupported"
	codeKeyNotFound    = "KeyNotFound"
	codeNotFound       = "NotFound"
	codeVaultNotFound  = "VaultNotFound"
	codeConflict       = "Conflict"
	codeThrottled      = "Throttled"
	codeMethod         = "MethodNotAllowed"
	codeUnsupported    = "NotSupported"
	codeInternal       = "InternalServerError"
	codeUnavailable    = "ServiceUnavailable"
	innerRbac          = "ForbiddenByRbac"
	innerDisabled      = "KeyDisabled"
	innerNotYetValid   = "KeyNotYetValid"
	innerExpired       = "KeyExpired"
	innerRecoverable   = "ObjectIsDeletedButRecoverable"
	innerBeingDeleted  = "ObjectIsBeingDeleted"
	innerBeingRecoverd = "ObjectIsBeingRecovered"
)

// apiError is an error as the API answers it.
type apiError struct {
	Code    string
	Inner   string // code of innererror; "" none
	Message string
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

func refuse(code, format string, args ...any) error {
	return &apiError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// refuseAs is refuse with a code of innererror.
func refuseAs(code, inner, format string, args ...any) error {
	return &apiError{Code: code, Inner: inner, Message: fmt.Sprintf(format, args...)}
}

// statusOf is the HTTP status of a code.
func statusOf(code string) int {
	status := map[string]int{
		codeUnauthorized: http.StatusUnauthorized, codeForbidden: http.StatusForbidden, codeKeyNotFound: http.StatusNotFound,
		codeNotFound: http.StatusNotFound, codeVaultNotFound: http.StatusNotFound, codeConflict: http.StatusConflict,
		codeThrottled: http.StatusTooManyRequests, codeMethod: http.StatusMethodNotAllowed,
		codeInternal: http.StatusInternalServerError, codeUnavailable: http.StatusServiceUnavailable,
		"RequestTimeout": http.StatusRequestTimeout, "BadGateway": http.StatusBadGateway, "GatewayTimeout": http.StatusGatewayTimeout,
	}[code]
	if status == 0 {
		return http.StatusBadRequest
	}
	return status
}

// asAPI is err as the API answers it; what is none of ours is an internal error.
func asAPI(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	return &apiError{Code: codeInternal, Message: err.Error()}
}

// envelope is the body of every error.
type envelope struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code    string     `json:"code"`
	Message string     `json:"message"`
	Inner   *errorCode `json:"innererror,omitempty"`
}

type errorCode struct {
	Code string `json:"code"`
}

func errorAnswer(err error) faults.Answer {
	e := asAPI(err)
	body := errorBody{Code: e.Code, Message: e.Message}
	if e.Inner != "" {
		body.Inner = &errorCode{e.Inner}
	}
	return jsonAnswer(statusOf(e.Code), e.Code, envelope{body})
}

func jsonAnswer(status int, code string, v any) faults.Answer {
	body, err := json.Marshal(v)
	if err != nil {
		return errorAnswer(refuse(codeInternal, "encode answer: %v", err))
	}
	header := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	return faults.Answer{Status: status, Header: header, Body: body, Code: code}
}

// throttled are the words of a throttled request. Azure's are not documented.
const throttled = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"

// refusalError is what a fault rule asks for, in Key Vault's words. A code may have that
// of innererror behind a slash: "Forbidden/ForbiddenByFirewall".
func (c *call) refusalError(r faults.Refusal) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	e := apiError{Code: r.Code, Message: r.Message}
	var words string
	switch r.Kind {
	case faults.Throttle:
		e.Code, words = codeThrottled, throttled
	case faults.Deny:
		e.Code, e.Inner, words = codeForbidden, innerRbac, c.notAuthorized(c.operation.permission(c.vault))
	case faults.Expire:
		e.Code, words = codeUnauthorized, "AKV10022: Invalid token: it has expired."
	default:
		e.Code, e.Inner, _ = strings.Cut(r.Code, "/")
		words = "failed by a fault rule"
	}
	if e.Message == "" {
		e.Message = words
	}
	return &e
}
