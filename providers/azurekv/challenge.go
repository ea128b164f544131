package azurekv

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/keyferry/keyferry/broker"
)

// guard refuses a challenge that the SDK's parser would stumble over: an authority
// without a tenant makes it panic. It stands between that parser and the wire.
type guard struct{}

// Do implements policy.Policy.
func (guard) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	if why := malformed(resp.Header.Get("WWW-Authenticate")); why != nil {
		_ = resp.Body.Close() // nothing more is read of it
		return nil, &broker.Error{Kind: broker.Rejected, Op: "read the challenge of", Object: req.Raw().URL.Host, Cause: why}
	}
	return resp, nil
}

// malformed says why a challenge is not Key Vault's ("Authentication, requests and
// responses"). Its form is that of the SDK's parser: members apart by blanks.
func malformed(header string) error {
	rest, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return errors.New("it is not a bearer challenge")
	}
	members := map[string]string{}
	for part := range strings.FieldsSeq(rest) {
		name, value, _ := strings.Cut(strings.TrimSuffix(part, ","), "=")
		members[name] = strings.Trim(value, `"`)
	}
	authority, err := url.Parse(members["authorization"])
	if err != nil || authority.Scheme != "https" || len(strings.Split(members["authorization"], "/")) < 4 || authority.Path == "" || authority.Path == "/" {
		return errors.New("it names no authority with a tenant")
	}
	if members["resource"] == "" && members["scope"] == "" {
		return errors.New("it names no resource")
	}
	return nil
}
