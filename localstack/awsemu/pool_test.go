package awsemu_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/localstack/awsemu"
)

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	return must(os.ReadFile(path))(t)
}

// rsaSeed is a PKCS#8 RSA key.
func rsaSeed(tb testing.TB) []byte {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

func publicOf(t *testing.T, key any) []byte {
	t.Helper()
	private, ok := key.(crypto.Signer)
	if !ok {
		t.Fatalf("%T has no public half", key)
	}
	return must(x509.MarshalPKIXPublicKey(private.Public()))(t)
}

func TestPoolKeysAreUsedOnceAndTakenFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	der := rsaSeed(t)
	path := filepath.Join(dir, "rsa-2048-made-ahead.pk8")
	if err := os.WriteFile(path, der, 0o600); err != nil {
		t.Fatal(err)
	}
	want := publicOf(t, must(x509.ParsePKCS8PrivateKey(der))(t))
	e := start(t, awsemu.Config{PoolDir: dir})
	key := e.symmetric()
	if got := e.parameters(key, types.AlgorithmSpecRsaesOaepSha256).PublicKey; !bytes.Equal(got, want) {
		t.Error("the key made ahead was not used")
	}
	if left := must(filepath.Glob(filepath.Join(dir, "*")))(t); len(left) != 0 {
		t.Errorf("left in the pool: %v", left)
	}
	if got := e.parameters(key, types.AlgorithmSpecRsaesOaepSha256).PublicKey; bytes.Equal(got, want) {
		t.Error("a wrapping key was used twice")
	}
}

func TestPoolRefusesWhatIsNoKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rsa-2048-x.pk8"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := start(t, awsemu.Config{PoolDir: dir})
	key := e.symmetric()
	_, err := e.GetParametersForImport(t.Context(), parametersInput(key))
	refused(t, err, "KMSInternalException")
	must(e.GetParametersForImport(t.Context(), parametersInput(key)))(t)
}

func TestReusedKeyIsTheSameInEveryProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var seen [][]byte
	for range 2 {
		e := start(t, awsemu.Config{PoolDir: dir, ReuseWrappingKeys: true})
		key := e.symmetric()
		for range 2 {
			seen = append(seen, e.parameters(key, types.AlgorithmSpecRsaesOaepSha256).PublicKey)
		}
	}
	for _, s := range seen[1:] {
		if !bytes.Equal(s, seen[0]) {
			t.Error("another wrapping key")
		}
	}
}

func TestPoolIsFilledInTheBackground(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// All sizes but one are there, so that filling is quick.
	for _, name := range []string{"rsa-4096-x.pk8", "rsa-3072-x.pk8"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, awsemu.Config{PoolDir: dir, PoolSize: 1})
	deadline := time.After(time.Minute)
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if made := must(filepath.Glob(filepath.Join(dir, "rsa-2048-*.pk8")))(t); len(made) == 1 {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no key was made ahead")
		}
	}
}

func TestStartRefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]awsemu.Config{
		"no clock":     {},
		"account":      {Now: time.Now, AccountID: "12"},
		"role":         {Now: time.Now, Roles: []awsemu.Role{{ARN: "x"}}},
		"access key":   {Now: time.Now, AccessKeys: []awsemu.AccessKey{{Secret: "x"}}},
		"pool":         {Now: time.Now, PoolDir: filepath.Join(file, "x")},
		"CA file":      {Now: time.Now, CAFile: filepath.Join(file, "x")},
		"address":      {Now: time.Now, Addr: "nowhere:x"},
		"adminAddress": {Now: time.Now, AdminAddr: "nowhere:x"},
	} {
		if s, err := awsemu.Start(t.Context(), c); err == nil {
			_ = s.Close()
			t.Errorf("%s: started", name)
		}
	}
}

func TestStartIsQuickAndCloseEndsAll(t *testing.T) {
	t.Parallel()
	for range 3 {
		s := must(awsemu.Start(t.Context(), awsemu.Config{Now: time.Now}))(t)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
