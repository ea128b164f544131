package awsemu_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu"
)

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	return must(os.ReadFile(path))(t)
}

func TestWrappingKeysComeFromThePool(t *testing.T) {
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

func TestWrappingKeysAreReused(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.symmetric()
	first := e.parameters(key, types.AlgorithmSpecRsaesOaepSha256).PublicKey
	if again := e.parameters(key, types.AlgorithmSpecRsaesOaepSha256).PublicKey; !bytes.Equal(first, again) {
		t.Error("another wrapping key")
	}
}

func TestOneAuthorityForSeveral(t *testing.T) {
	t.Parallel()
	ca := must(emu.NewAuthority(time.Now()))(t)
	a, b := start(t, awsemu.Config{CA: ca}), start(t, awsemu.Config{CA: ca})
	if !bytes.Equal(a.server.CAPEM(), b.server.CAPEM()) {
		t.Error("another CA")
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
