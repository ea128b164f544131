package awsemu

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSkew is how far a request's time may be from the emulator's (Signature
// Version 4, "Elements of an AWS API request signature").
const maxSkew = 5 * time.Minute

// amzDate is the format of X-Amz-Date.
const amzDate = "20060102T150405Z"

// authorization is a parsed Authorization header.
type authorization struct {
	accessKey, date, region, service string
	signedHeaders                    []string
	signature                        string
}

var authorizationForm = regexp.MustCompile(
	`^AWS4-HMAC-SHA256 Credential=([A-Za-z0-9]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$`)

func parseAuthorization(header string) (authorization, bool) {
	m := authorizationForm.FindStringSubmatch(header)
	if m == nil {
		return authorization{}, false
	}
	return authorization{m[1], m[2], m[3], m[4], strings.Split(m[5], ";"), m[6]}, true
}

// scope is the credential scope.
func (a authorization) scope() string {
	return strings.Join([]string{a.date, a.region, a.service, "aws4_request"}, "/")
}

// sign computes the signature that the request should carry (AWS General
// Reference, "Create a signed AWS API request").
func (a authorization) sign(r *http.Request, body []byte, secret string) string {
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(a.scope(), "/") {
		key = hmacSHA256(key, part)
	}
	canonical := sha256.Sum256([]byte(a.canonical(r, body)))
	text := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + a.scope() + "\n" + hex.EncodeToString(canonical[:])
	return hex.EncodeToString(hmacSHA256(key, text))
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// canonical is the canonical request.
func (a authorization) canonical(r *http.Request, body []byte) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + r.URL.EscapedPath() + "\n" + canonicalQuery(r.URL.Query()) + "\n")
	for _, name := range a.signedHeaders {
		b.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	sum := sha256.Sum256(body)
	b.WriteString("\n" + strings.Join(a.signedHeaders, ";") + "\n" + hex.EncodeToString(sum[:]))
	return b.String()
}

// headerValue trims a header's values and joins them. What net/http moved out of
// the header is put back.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	var values []string
	for _, v := range r.Header.Values(name) {
		values = append(values, strings.Join(strings.Fields(v), " "))
	}
	return strings.Join(values, ",")
}

func canonicalQuery(q url.Values) string {
	var parts []string
	for name, values := range q {
		for _, v := range values {
			parts = append(parts, escape(name)+"="+escape(v))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// problem says why a signature cannot be taken; "" if it can. The time is checked
// against the emulator's clock.
func (a authorization) problem(r *http.Request, now time.Time) string {
	at, err := time.Parse(amzDate, r.Header.Get("X-Amz-Date"))
	must := []string{"host", "x-amz-date"}
	for _, name := range []string{"X-Amz-Target", "X-Amz-Security-Token"} {
		if r.Header.Get(name) != "" {
			must = append(must, strings.ToLower(name))
		}
	}
	for _, name := range must {
		if !slices.Contains(a.signedHeaders, name) {
			return "'" + name + "' must be a 'SignedHeader' in the AWS Authorization."
		}
	}
	switch {
	case err != nil:
		return "Date must be in ISO-8601 'basic format'."
	case at.Format("20060102") != a.date:
		return "Credential should be scoped to the date of X-Amz-Date."
	case now.Sub(at) > maxSkew:
		return "Signature expired: " + at.Format(amzDate) + " is now earlier than " + now.Add(-maxSkew).Format(amzDate)
	case at.Sub(now) > maxSkew:
		return "Signature not yet current: " + at.Format(amzDate) + " is still later than " + now.Add(maxSkew).Format(amzDate)
	}
	return ""
}
