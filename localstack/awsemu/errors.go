package awsemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/keyferry/keyferry/localstack/faults"
)

// Error codes of KMS (API Reference: the operations' errors, and Common Errors).
const (
	codeValidation       = "ValidationException"
	codeUnsupported      = "UnsupportedOperationException"
	codeNotFound         = "NotFoundException"
	codeInvalidArn       = "InvalidArnException"
	codeInvalidState     = "KMSInvalidStateException"
	codeDisabled         = "DisabledException"
	codeLimit            = "LimitExceededException"
	codeExists           = "AlreadyExistsException"
	codeInvalidAlias     = "InvalidAliasNameException"
	codeInvalidMarker    = "InvalidMarkerException"
	codeMalformedPolicy  = "MalformedPolicyDocumentException"
	codeTag              = "TagException"
	codeConflict         = "ConflictException"
	codeIncorrectMat     = "IncorrectKeyMaterialException"
	codeInvalidCipher    = "InvalidCiphertextException"
	codeInvalidToken     = "InvalidImportTokenException"
	codeExpiredToken     = "ExpiredImportTokenException"
	codeInvalidUsage     = "InvalidKeyUsageException"
	codeIncorrectKey     = "IncorrectKeyException"
	codeInvalidMac       = "KMSInvalidMacException"
	codeInvalidSignature = "KMSInvalidSignatureException"
	codeAccessDenied     = "AccessDeniedException"
	codeThrottling       = "ThrottlingException"
	codeExpiredSession   = "ExpiredTokenException"
	codeUnknownOperation = "UnknownOperationException"
	codeSerialization    = "SerializationException"
	codeInternal         = "KMSInternalException"
)

// apiError is an error as the API answers it.
type apiError struct {
	Code    string
	Message string
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

func refuse(code, format string, args ...any) error {
	return &apiError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// status is the HTTP status of a code: 500 for the three server faults, which is
// what makes an SDK retry them.
func status(code string) int {
	switch code {
	case codeInternal, "DependencyTimeoutException", "KeyUnavailableException":
		return http.StatusInternalServerError
	default:
		return http.StatusBadRequest
	}
}

// asAPI is err as the API answers it; what is none of ours is an internal error.
func asAPI(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	return &apiError{codeInternal, err.Error()}
}

// jsonError is an error in the shape of the JSON 1.1 protocol.
func jsonError(err error) faults.Answer {
	e := asAPI(err)
	return jsonAnswer(status(e.Code), e.Code, map[string]string{"__type": e.Code, "message": e.Message})
}

func jsonAnswer(status int, code string, v any) faults.Answer {
	body, err := json.Marshal(v)
	if err != nil {
		return jsonError(refuse(codeInternal, "encode answer: %v", err))
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}}
	return faults.Answer{Status: status, Header: header, Body: body, Code: code}
}

// refusalError is what a fault rule asks for, in KMS's words; permission is the
// action's.
func refusalError(r faults.Refusal, permission string) error {
	e := apiError{r.Code, r.Message}
	var words string
	switch r.Kind {
	case faults.Throttle:
		e.Code, words = codeThrottling, throttled
	case faults.Deny:
		e.Code, words = codeAccessDenied, "User is not authorized to perform: "+permission+" because of a fault rule"
	case faults.Expire:
		e.Code, words = codeExpiredSession, "The security token included in the request is expired"
	default:
		words = "failed by a fault rule"
	}
	if e.Message == "" {
		e.Message = words
	}
	return &e
}

// throttled are AWS's words (Developer Guide, Throttling AWS KMS requests).
const throttled = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
