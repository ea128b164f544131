package awskms_test

import (
	"context"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack"
	"github.com/keyferry/keyferry/providers/awskms"
	"github.com/keyferry/keyferry/providers/providertest"
)

// localStackDeviates lists what LocalStack does otherwise than AWS: measured with
// 4.9.2, for later versions read in the source of 4.14.0. A line that no longer
// holds fails the run.
func localStackDeviates(version string) map[string]string {
	const (
		noPadding = "RSA_AES_KEY_WRAP_SHA_1 is \"Unsupported padding\" there"
		noID      = "it has no key material ids: AES is accepted there, and other material would be too"
		failed    = "it answers 500 InternalError where AWS refuses"
		accepts   = "it accepts other material and replaces what was there"
		derived   = "it answers HKDF of the shared secret, AWS the secret itself"
	)
	out := map[string]string{
		"garbage is not material":                          failed,
		"wrapped material cut short is refused":            failed,
		"another key's import token is refused":            failed,
		"material under another hash is refused":           failed,
		"bytes after PKCS#8 are refused":                   failed,
		"a key that is not there is not found":             failed,
		"deleted material comes back":                      failed,
		"garbage is not an import token":                   "it answers NotFoundException, AWS InvalidImportTokenException",
		"material of another length is refused":            "it accepts it",
		"material of another spec is refused":              "it accepts it",
		"other material beside the first is refused":       accepts,
		"other material as existing is refused":            accepts,
		"other secret material as existing is refused":     accepts,
		"an empty key can be scheduled, not enabled":       "it enables a key that has no material",
		"material is renewed under its version":            "it never shows ValidTo",
		"a proof by decryption tells other material apart": failed,
		"a wrapping key serves as often as it says":        "it takes an import token again",
		"identify names the account":                       "its STS gives no request id in the header",
	}
	if strings.HasPrefix(version, "4.9.") {
		maps.Copy(out, map[string]string{
			"secret material comes back after it was deleted": noID,
			"import and prove aes-256 for encrypt":            noID,
			"import aes-256 by rsa-oaep-sha1":                 noID,
			"import aes-256 by rsa-oaep-sha256":               noID,
			"import and prove ec-p256 for agree":              derived,
			"import and prove ec-p384 for agree":              derived,
			"import and prove ec-p521 for agree":              derived,
		})
	}
	for _, spec := range []string{"rsa-2048", "rsa-3072", "rsa-4096", "ec-p256", "ec-p384", "ec-p521", "ec-secp256k1"} {
		out["import "+spec+" by rsa-aes-key-wrap-sha1"] = noPadding
	}
	return out
}

// TestLocalStack judges the adapter by an imitation of AWS that we did not write.
func TestLocalStack(t *testing.T) {
	t.Parallel()
	if slices.Contains(strings.Split(os.Getenv("KEYFERRY_TEST_SKIP"), ","), "localstack") {
		t.Skip("KEYFERRY_TEST_SKIP names localstack")
	}
	ls, err := localstack.StartAWS(context.WithoutCancel(t.Context()), localstack.Options{})
	if err != nil {
		t.Fatalf("start LocalStack (make setup installs it): %v", err)
	}
	t.Cleanup(func() { _ = ls.Stop(); http.DefaultClient.CloseIdleConnections() })
	t.Logf("LocalStack %s at %s", ls.Version, ls.Endpoint)
	t.Run("promises", func(t *testing.T) {
		providertest.Run(t, providertest.Setup{
			Deviations: localStackDeviates(ls.Version),
			Open: func(t *testing.T) providertest.Target {
				t.Helper()
				return localTarget(t, ls.Endpoint)
			},
			Lacks: map[providertest.Need]string{
				providertest.NeedClock:   "its clock cannot be moved",
				providertest.NeedFaults:  "it cannot be broken from outside; the emulator can",
				providertest.NeedSending: "it cannot be broken from outside; the emulator can",
				providertest.NeedPlant:   "tested at the emulator",
				providertest.NeedHide:    "it is consistent",
			},
		})
	})
}

func localTarget(t *testing.T, endpoint string) providertest.Target {
	t.Helper()
	p, err := awskms.Open(t.Context(), awskms.Config{
		Account: account, Region: region, Endpoint: endpoint, WrappingKeyBits: 2048,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		Settle:      2 * time.Second, Poll: 20 * time.Millisecond, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return providertest.Target{
		Provider: p, Account: account, Now: time.Now, Soon: time.Second,
		Missing: broker.KeyRef{ID: "arn:aws:kms:" + region + ":" + account + ":key/" + noKey},
		Foreign: broker.KeyRef{ID: "arn:aws:kms:" + region + ":" + other + ":key/" + noKey},
	}
}
