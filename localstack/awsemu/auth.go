package awsemu

import (
	"crypto/subtle"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Codes of failed authentication; STS has its own names for them.
const (
	codeNoAuth           = "MissingAuthenticationTokenException"
	codeIncompleteAuth   = "IncompleteSignatureException"
	codeUnknownAccessKey = "UnrecognizedClientException"
	codeWrongSignature   = "InvalidSignatureException"
)

// principal is who sent a request.
type principal struct {
	accessKey string
	account   string
	arn       string
	userID    string
	role      string   // ARN of the assumed role; "" for users
	allow     []string // a user's; empty: everything
	deny      []string
}

// credential is an access key as the emulator keeps it: a user's or a session's.
type credential struct {
	AccessKey
	who principal
}

var regionForm = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d+$`)

// authenticate finds out who sent a request to a service, and for which region.
// It needs the server's lock.
func (s *Server) authenticate(r *http.Request, body []byte, service string, now time.Time) (principal, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return principal{}, refuse(codeNoAuth, "Missing Authentication Token")
	}
	a, ok := parseAuthorization(header)
	if !ok {
		return principal{}, refuse(codeIncompleteAuth, "Authorization header is malformed.")
	}
	if why := scopeProblem(a, service, r.Host); why != "" {
		return principal{}, refuse(codeWrongSignature, "%s", why)
	}
	known := s.credentials[a.accessKey]
	if known == nil || known.Session != r.Header.Get("X-Amz-Security-Token") {
		return principal{}, refuse(codeUnknownAccessKey, "The security token included in the request is invalid.")
	}
	if why := a.problem(r, now); why != "" {
		return principal{}, refuse(codeWrongSignature, "%s", why)
	}
	if subtle.ConstantTimeCompare([]byte(a.sign(r, body, known.Secret)), []byte(a.signature)) != 1 {
		return principal{}, refuse(codeWrongSignature, "The request signature we calculated does not match the signature you provided.")
	}
	if !known.ExpiresAt.IsZero() && !now.Before(known.ExpiresAt) {
		return principal{}, refuse(codeExpiredSession, "The security token included in the request is expired")
	}
	return known.who, nil
}

// scopeProblem holds the credential scope against the service asked and against a
// host name that says a region.
func scopeProblem(a authorization, service, host string) string {
	if a.service != service {
		return "Credential should be scoped to correct service: '" + service + "'."
	}
	if !regionForm.MatchString(a.region) {
		return "Credential should be scoped to a valid region."
	}
	name, rest, _ := strings.Cut(host, ".")
	if label, _, _ := strings.Cut(rest, "."); (name == service || name == service+"-fips") && regionForm.MatchString(label) && label != a.region {
		return "Credential should be scoped to a valid region, not '" + a.region + "'."
	}
	return ""
}

// newCredential completes an access key of a user.
func newCredential(k AccessKey, account string) *credential {
	if k.Account == "" {
		k.Account = account
	}
	if k.User == "" {
		k.User = "tester"
	}
	return &credential{AccessKey: k, who: principal{
		accessKey: k.ID, account: k.Account, arn: "arn:aws:iam::" + k.Account + ":user/" + k.User, userID: "AIDA" + k.ID,
		allow: k.Allow, deny: k.Deny,
	}}
}
