package awsemu_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyferry/keyferry/localstack/awsemu"
)

// raw is a request made by hand, signed by AWS's signer, and then spoiled.
type raw struct {
	target, body    string
	service, region string
	at              time.Time
	key             awsemu.AccessKey
	before, after   func(*http.Request) // signing
}

func listKeys(e *emulator) raw {
	return raw{target: "TrentService.ListKeys", body: "{}", service: "kms", region: "eu-west-1", at: e.server.Now(), key: e.server.Credentials()}
}

// send answers the HTTP status and the error code.
func (r raw) send(e *emulator) (status int, code string, header http.Header) {
	e.Helper()
	req := must(http.NewRequestWithContext(e.Context(), http.MethodPost, e.server.URL()+"/", strings.NewReader(r.body)))(e.T)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	if r.target != "" {
		req.Header.Set("X-Amz-Target", r.target)
	}
	if r.before != nil {
		r.before(req)
	}
	sum := sha256.Sum256([]byte(r.body))
	who := aws.Credentials{AccessKeyID: r.key.ID, SecretAccessKey: r.key.Secret, SessionToken: r.key.Session}
	if err := v4.NewSigner().SignHTTP(e.Context(), who, req, hex.EncodeToString(sum[:]), r.service, r.region, r.at); err != nil {
		e.Fatal(err)
	}
	if r.after != nil {
		r.after(req)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp := must(transport.RoundTrip(req))(e.T)
	text := must(io.ReadAll(resp.Body))(e.T)
	_ = resp.Body.Close()
	var answer struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(text, &answer)
	if answer.Type != "" && answer.Message == "" {
		e.Errorf("an error without words: %s", text)
	}
	return resp.StatusCode, answer.Type, resp.Header
}

// Rule 1.
func TestSignatures(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	const wrong, fine = "InvalidSignatureException", ""
	resign := func(from, to string) func(*raw) {
		return func(r *raw) {
			r.after = func(req *http.Request) {
				req.Header.Set("Authorization", strings.Replace(req.Header.Get("Authorization"), from, to, 1))
			}
		}
	}
	for name, tt := range map[string]struct {
		change func(*raw)
		code   string
	}{
		"as it should be":      {func(*raw) {}, fine},
		"another region":       {func(r *raw) { r.region = "us-gov-west-1" }, fine},
		"4 minutes old":        {func(r *raw) { r.at = r.at.Add(-4 * time.Minute) }, fine},
		"6 minutes old":        {func(r *raw) { r.at = r.at.Add(-6 * time.Minute) }, wrong},
		"6 minutes ahead":      {func(r *raw) { r.at = r.at.Add(6 * time.Minute) }, wrong},
		"wrong secret":         {func(r *raw) { r.key.Secret = "x" }, wrong},
		"unknown key":          {func(r *raw) { r.key.ID = "AKIAX" }, "UnrecognizedClientException"},
		"session of none":      {func(r *raw) { r.key.Session = "x" }, "UnrecognizedClientException"},
		"scoped to STS":        {func(r *raw) { r.service = "sts" }, wrong},
		"scoped to no region":  {func(r *raw) { r.region = "moon" }, wrong},
		"no signature":         {func(r *raw) { r.after = func(req *http.Request) { req.Header.Del("Authorization") } }, "MissingAuthenticationTokenException"},
		"other form":           {resign("AWS4-HMAC-SHA256", "AWS3"), "IncompleteSignatureException"},
		"scope date changed":   {func(r *raw) { resign(r.at.UTC().Format("20060102"), "20010101")(r) }, wrong},
		"scope region changed": {resign("/eu-west-1/", "/eu-west-2/"), wrong},
		"header not signed":    {resign(";x-amz-target", ""), wrong},
		"date not signed":      {resign(";x-amz-date", ""), wrong},
		"header changed": {func(r *raw) {
			r.after = func(req *http.Request) { req.Header.Set("X-Amz-Target", "TrentService.ListAliases") }
		}, wrong},
		"body changed":           {func(r *raw) { r.after = func(req *http.Request) { req.Body = io.NopCloser(strings.NewReader("[]")) } }, wrong},
		"date is no date":        {func(r *raw) { r.after = func(req *http.Request) { req.Header.Set("X-Amz-Date", "now") } }, wrong},
		"host of another region": {func(r *raw) { r.before = func(req *http.Request) { req.Host = "kms.us-east-1.amazonaws.com" } }, wrong},
		"host of this region":    {func(r *raw) { r.before = func(req *http.Request) { req.Host = "kms-fips.eu-west-1.amazonaws.com" } }, fine},
		"query is signed": {func(r *raw) {
			r.before = func(req *http.Request) { req.URL.RawQuery = "b=2&a=x%20y" }
		}, fine},
		"spaces in a header": {func(r *raw) {
			r.before = func(req *http.Request) { req.Header.Set("X-Amz-Note", "  a   b ") }
		}, fine},
	} {
		t.Run(name, func(t *testing.T) {
			r := listKeys(e)
			tt.change(&r)
			status, code, header := r.send(e)
			if code != tt.code || (status == 200) != (tt.code == fine) {
				t.Errorf("%d %s, want %q", status, code, tt.code)
			}
			if header.Get("X-Amzn-Requestid") == "" {
				t.Error("no request id")
			}
		})
	}
}

func TestUnknownAndUnmodelledIsRefused(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	for name, tt := range map[string]struct {
		change func(*raw)
		code   string
	}{
		"operation": {func(r *raw) { r.target = "TrentService.ReEncrypt" }, "UnknownOperationException"},
		"no target": {func(r *raw) { r.target = "" }, "UnknownOperationException"},
		"empty target": {func(r *raw) {
			r.target = ""
			r.before = func(q *http.Request) { q.Header["X-Amz-Target"] = []string{""} }
		}, "UnknownOperationException"},
		"no operation":    {func(r *raw) { r.target = "TrentService." }, "UnknownOperationException"},
		"other prefix":    {func(r *raw) { r.target = "trentservice.ListKeys" }, "UnknownOperationException"},
		"service":         {func(r *raw) { r.target = "DynamoDB_20120810.ListKeys" }, "UnknownOperationException"},
		"parameter":       {func(r *raw) { r.body = `{"Colour":"red"}` }, "UnsupportedOperationException"},
		"parameter case":  {func(r *raw) { r.body = `{"limit":1}` }, "UnsupportedOperationException"},
		"AWS's parameter": {func(r *raw) { r.body = `{"ResourceOwners":["SELF"]}` }, "UnsupportedOperationException"},
		"grant tokens":    {func(r *raw) { r.target, r.body = "TrentService.DescribeKey", `{"KeyId":"x","GrantTokens":["a"]}` }, "UnsupportedOperationException"},
		"type":            {func(r *raw) { r.body = `{"Limit":"1"}` }, "SerializationException"},
		"not an object":   {func(r *raw) { r.body = `[]` }, "SerializationException"},
		"null":            {func(r *raw) { r.body = `null` }, "SerializationException"},
		"two objects":     {func(r *raw) { r.body = `{}{}` }, "SerializationException"},
		"no JSON":         {func(r *raw) { r.body = `{` }, "SerializationException"},
		"content type":    {func(r *raw) { r.before = func(q *http.Request) { q.Header.Set("Content-Type", "text/plain") } }, "SerializationException"},
	} {
		t.Run(name, func(t *testing.T) {
			r := listKeys(e)
			tt.change(&r)
			if status, code, _ := r.send(e); code != tt.code || status != 400 {
				t.Errorf("%d %s, want %s", status, code, tt.code)
			}
		})
	}
}

func TestDateIsTheEmulators(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	e.advance(10 * time.Minute)
	r := listKeys(e)
	r.at = time.Now()
	_, code, header := r.send(e)
	at, err := http.ParseTime(header.Get("Date"))
	if code != "InvalidSignatureException" || err != nil || time.Until(at) < 9*time.Minute {
		t.Errorf("%s, date %v %v", code, at, err)
	}
}

func TestTLSIsUnderTheRunCA(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/ca.pem"
	e := start(t, awsemu.Config{CAFile: file, Hosts: []string{"kms.eu-west-1.amazonaws.com"}})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(e.server.CAPEM())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	k := e.server.Credentials()
	secure := kms.New(kms.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(e.server.TLSURL()), RetryMaxAttempts: 1, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(k.ID, k.Secret, ""),
	})
	must(secure.ListKeys(t.Context(), &kms.ListKeysInput{}))(t)
	if _, err := secure.ListKeys(t.Context(), &kms.ListKeysInput{}, func(o *kms.Options) { o.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} }); err == nil {
		t.Error("the run CA is trusted by the system")
	}
	host := e.server.TLSURL()[len("https://"):]
	conn := must(tls.Dial("tcp", host, &tls.Config{RootCAs: roots, ServerName: "kms.eu-west-1.amazonaws.com"}))(t)
	_ = conn.Close()
	if text := readFile(t, file); !bytes.Equal(text, e.server.CAPEM()) {
		t.Error("the CA file is another CA")
	}
}

func TestOtherRequestsAreNotServed(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp := must(client.Get(e.server.URL() + "/"))(t)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("GET: %s", resp.Status)
	}
	resp = must(client.Post(e.server.URL(), "", bytes.NewReader(make([]byte, 2<<20))))(t)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("long body: %s", resp.Status)
	}
	resp = must(client.Get(e.server.AdminURL() + "/health"))(t)
	text := must(io.ReadAll(resp.Body))(t)
	_ = resp.Body.Close()
	if !bytes.Contains(text, []byte(e.server.TLSURL())) || bytes.Contains(text, []byte(e.server.Credentials().Secret)) {
		t.Errorf("health: %s", text)
	}
}
