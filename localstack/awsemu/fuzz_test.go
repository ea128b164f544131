package awsemu_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Whatever is asked, by whoever signs it or does not: an answer in the protocol's form,
// and none of the server's own failures.
func FuzzRequest(f *testing.F) {
	for action := range awsemu.Rates() {
		f.Add(action, `{"KeyId":"alias/x"}`, "")
	}
	f.Add("CreateKey", `{"Origin":"EXTERNAL","KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC","Tags":[{"TagKey":"a","TagValue":"b"}]}`, "")
	f.Add("CreateKey", `{"Policy":"{\"Version\":\"2012-10-17\",\"Statement\":[]}"}`, "")
	f.Add("ImportKeyMaterial", `{"KeyId":"x","ImportToken":"AA==","EncryptedKeyMaterial":"AA==","ValidTo":1e300,"ImportType":"NEW_KEY_MATERIAL"}`, "")
	f.Add("ListKeys", `{"Limit":-1,"Marker":"x"}`, "")
	f.Add("ListKeys", `[]`, "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host;;, Signature=zz")
	f.Add("", ``, "AWS4-HMAC-SHA256 ")
	server, err := awsemu.Start(f.Context(), awsemu.Config{Now: time.Now})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = server.Close() })
	key := server.Credentials()
	f.Fuzz(func(t *testing.T, action, body, authorization string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, server.URL()+"/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header["X-Amz-Target"] = []string{"TrentService." + action}
		r.Header["Authorization"] = []string{authorization}
		if authorization == "" {
			sum := sha256.Sum256([]byte(body))
			who := aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}
			if err := v4.NewSigner().SignHTTP(t.Context(), who, r, hex.EncodeToString(sum[:]), "kms", "eu-west-1", server.Now()); err != nil {
				return
			}
		}
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("%s answers %d: %s", action, w.Code, w.Body)
		}
		if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s answers what is no JSON: %q", action, w.Body)
		}
		if authorization != "" && w.Code == http.StatusOK {
			t.Errorf("%q is believed", authorization)
		}
	})
}

// What POST /config brings is taken or refused, as a whole.
func FuzzConfigure(f *testing.F) {
	idle := func(ca *emu.Authority) (faults.Subject, error) {
		return awsemu.Idle(awsemu.Config{Now: time.Now, CA: ca})
	}
	emutest.FuzzConfigures(f, idle,
		`{"settings":{"lenient":true,"quotas":true,"rates":{"CreateKey":0.5},"hidden_reads":2,"hidden_for":1.5,"page_size":7}}`,
		`{"access_keys":[{"id":"AKIAX","secret":"s","allow":["kms:*"],"expires_at":"2031-01-01T00:00:00Z"}]}`,
		`{"access_keys":[{"id":"AKIAX","secret":"s"},{"id":""}]}`,
		`{"access_keys":[{"id":"AKIAX","secret":"s"}],"roles":[{"arn":"arn:aws:iam::1:role/x"}]}`,
		`{"roles":[{"arn":"arn:aws:iam::123456789012:role/x","external_id":"e"}]}`,
		`{"settings":{"hidden_for":1e300}}`,
	)
}
