package awsemu

import (
	"cmp"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyferry/keyferry/localstack/faults"
)

// stsNamespace is the XML namespace of STS's answers.
const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

type responseMetadata struct {
	RequestID string `xml:"RequestId"`
}

type identityResponse struct {
	XMLName  xml.Name         `xml:"GetCallerIdentityResponse"`
	XMLNS    string           `xml:"xmlns,attr"`
	Arn      string           `xml:"GetCallerIdentityResult>Arn"`
	UserID   string           `xml:"GetCallerIdentityResult>UserId"`
	Account  string           `xml:"GetCallerIdentityResult>Account"`
	Metadata responseMetadata `xml:"ResponseMetadata"`
}

type assumeRoleResponse struct {
	XMLName      xml.Name         `xml:"AssumeRoleResponse"`
	XMLNS        string           `xml:"xmlns,attr"`
	AccessKeyID  string           `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	Secret       string           `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	Token        string           `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expiration   string           `xml:"AssumeRoleResult>Credentials>Expiration"`
	Arn          string           `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	AssumedRoleI string           `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
	Metadata     responseMetadata `xml:"ResponseMetadata"`
}

type stsError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	XMLNS     string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// performSTS does one action of the query protocol.
func (c *call) performSTS(form url.Values) (any, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.now = c.s.clock.Now()
	if err := checkForm(form, c.action); err != nil {
		return nil, err
	}
	if c.action == "GetCallerIdentity" { // cannot be denied
		return identityResponse{XMLNS: stsNamespace, Arn: c.who.arn, UserID: c.who.userID, Account: c.who.account, Metadata: responseMetadata{c.id}}, nil
	}
	if err := c.allow("sts:AssumeRole"); err != nil {
		return nil, err
	}
	return c.assumeRole(form)
}

// checkForm refuses actions and parameters that the emulator does not model.
func checkForm(form url.Values, action string) error {
	known := map[string][]string{
		"GetCallerIdentity": {},
		"AssumeRole":        {"RoleArn", "RoleSessionName", "ExternalId", "DurationSeconds"},
	}
	parameters, ok := known[action]
	if !ok || form.Get("Version") != "2011-06-15" {
		return refuse("InvalidAction", "Could not find operation %s for version %s", action, form.Get("Version"))
	}
	for name := range form {
		if name != "Action" && name != "Version" && !slices.Contains(parameters, name) {
			return refuse("ValidationError", "the emulator does not model the parameter %s", name)
		}
	}
	return nil
}

// assumeRole gives out credentials that end by the emulator's clock.
func (c *call) assumeRole(form url.Values) (any, error) {
	name := form.Get("RoleSessionName")
	if err := cmp.Or(checkLength("RoleSessionName", len(name), 2, 64), checkPattern("RoleSessionName", name, `^[\w+=,.@-]*$`)); err != nil {
		return nil, refuse("ValidationError", "%s", asAPI(err).Message)
	}
	life := time.Hour
	if text := form.Get("DurationSeconds"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 900 || seconds > 43200 {
			return nil, refuse("ValidationError", "DurationSeconds must be within 900..43200")
		}
		life = time.Duration(seconds) * time.Second
	}
	role, ok := c.s.roles[form.Get("RoleArn")]
	if !ok || role.ExternalID != "" && role.ExternalID != form.Get("ExternalId") {
		return nil, refuse(codeAccessDenied, "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.who.arn, form.Get("RoleArn"))
	}
	session := newSession(role, name, c.now.Add(life))
	c.s.credentials[session.ID] = session
	return assumeRoleResponse{
		XMLNS: stsNamespace, AccessKeyID: session.ID, Secret: session.Secret, Token: session.Session,
		Expiration: session.ExpiresAt.Format(time.RFC3339), Arn: session.who.arn, AssumedRoleI: session.who.userID, Metadata: responseMetadata{c.id},
	}, nil
}

func newSession(role Role, name string, expires time.Time) *credential {
	part := strings.SplitN(role.ARN, ":", 6)
	roleName := part[5][strings.LastIndex(part[5], "/")+1:]
	id := randomID("ASIA")
	return &credential{
		AccessKey: AccessKey{ID: id, Secret: randomText(30), Session: randomText(96), Account: part[4], ExpiresAt: expires},
		who: principal{
			accessKey: id, account: part[4], arn: fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", part[4], roleName, name),
			userID: randomID("AROA") + ":" + name, role: role.ARN,
		},
	}
}

var roleForm = regexp.MustCompile(`^arn:aws:iam::\d{12}:role/[\w+=,.@/-]+$`)

func randomID(prefix string) string {
	b := make([]byte, 10)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return prefix + base32.StdEncoding.EncodeToString(b)
}

func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.StdEncoding.EncodeToString(b)
}

// stsCode are STS's names of the errors that KMS names otherwise.
func stsCode(code string) (string, int) {
	names := map[string]string{
		codeNoAuth: "MissingAuthenticationToken", codeIncompleteAuth: "IncompleteSignature", codeUnknownAccessKey: "InvalidClientTokenId",
		codeWrongSignature: "SignatureDoesNotMatch", codeExpiredSession: "ExpiredToken", codeAccessDenied: "AccessDenied", codeThrottling: "Throttling",
	}
	name, ok := names[code]
	switch {
	case !ok:
		return code, status(code)
	case code == codeIncompleteAuth, code == codeThrottling:
		return name, http.StatusBadRequest
	default:
		return name, http.StatusForbidden
	}
}

// xmlError is an error in the shape of the query protocol.
func xmlError(err error, id string) faults.Answer {
	e := asAPI(err)
	code, status := stsCode(e.Code)
	return xmlAnswer(status, code, stsError{XMLNS: stsNamespace, Type: "Sender", Code: code, Message: e.Message, RequestID: id})
}

func xmlAnswer(status int, code string, v any) faults.Answer {
	body, err := xml.Marshal(v)
	if err != nil {
		return faults.Answer{Status: http.StatusInternalServerError, Code: codeInternal}
	}
	return faults.Answer{Status: status, Code: code, Header: http.Header{"Content-Type": {"text/xml"}}, Body: body}
}
