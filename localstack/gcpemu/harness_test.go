package gcpemu_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Short names of what the tests ask for most.
const (
	ring = gcpemu.DefaultKeyRing

	soft  = kmspb.ProtectionLevel_SOFTWARE
	inHSM = kmspb.ProtectionLevel_HSM

	symmetric = kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION
	p256      = kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256
	hmac256   = kmspb.CryptoKeyVersion_HMAC_SHA256

	hybrid = kmspb.ImportJob_RSA_OAEP_3072_SHA256_AES_256
	direct = kmspb.ImportJob_RSA_OAEP_3072_SHA256
)

// emulator is a running server and a client of the default principal.
type emulator struct {
	*testing.T
	*kms.KeyManagementClient
	server *gcpemu.Server
	admin  faults.Client
}

// start runs a server that shares wrapping keys between tests.
func start(t *testing.T, c gcpemu.Config) *emulator {
	t.Helper()
	c.Now = time.Now
	if c.PoolDir == "" {
		c.PoolDir, c.ReuseWrappingKeys = filepath.Join("..", "..", ".cache", "wrapping-keys"), true
	}
	s, err := gcpemu.Start(t.Context(), c)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &emulator{T: t, KeyManagementClient: client(t, s, s.Email()), server: s, admin: s.Admin()}
}

// bearer is a token of a principal on every call.
type bearer string

// GetRequestMetadata is the authorization.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity is what a real token does.
func (bearer) RequireTransportSecurity() bool { return true }

// client is the real one, over TLS, with a token of a principal.
func client(t *testing.T, s *gcpemu.Server, email string) *kms.KeyManagementClient {
	t.Helper()
	return clientWith(t, s, s.AccessToken(email))
}

func clientWith(t *testing.T, s *gcpemu.Server, token string) *kms.KeyManagementClient {
	t.Helper()
	return connect(t, s, grpc.WithPerRPCCredentials(bearer(token)))
}

func connect(t *testing.T, s *gcpemu.Server, o ...grpc.DialOption) *kms.KeyManagementClient {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CAPEM())
	o = append(o, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})))
	conn := must(grpc.NewClient(s.Addr(), o...))(t)
	c := must(kms.NewKeyManagementClient(t.Context(), option.WithGRPCConn(conn)))(t)
	t.Cleanup(func() { _ = conn.Close() })
	c.CallOptions.GetImportJob, c.CallOptions.CreateImportJob = nil, nil // what is refused is seen at once
	return c
}

// must returns the value, or ends the test.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		return emutest.Must(v, err)(t)
	}
}

// refused fails the test unless err has this code and these words.
func refused(t *testing.T, err error, code codes.Code, words ...string) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("error %v, want %s", err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %v does not say %q", err, w)
		}
	}
}

// purposeOf is the purpose of keys with an algorithm.
func purposeOf(a kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm) kmspb.CryptoKey_CryptoKeyPurpose {
	switch name := a.String(); {
	case a == symmetric:
		return kmspb.CryptoKey_ENCRYPT_DECRYPT
	case strings.HasPrefix(name, "AES_"):
		return kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT
	case strings.HasPrefix(name, "HMAC_"):
		return kmspb.CryptoKey_MAC
	case strings.HasPrefix(name, "RSA_DECRYPT"):
		return kmspb.CryptoKey_ASYMMETRIC_DECRYPT
	}
	return kmspb.CryptoKey_ASYMMETRIC_SIGN
}

// newKey is the request for an import-only key.
func newKey(id string, a kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm, level kmspb.ProtectionLevel) *kmspb.CreateCryptoKeyRequest {
	return &kmspb.CreateCryptoKeyRequest{
		Parent: ring, CryptoKeyId: id, SkipInitialVersionCreation: true,
		CryptoKey: &kmspb.CryptoKey{
			Purpose: purposeOf(a), ImportOnly: true,
			VersionTemplate: &kmspb.CryptoKeyVersionTemplate{Algorithm: a, ProtectionLevel: level},
		},
	}
}

// key makes an import-only key and returns its name.
func (e *emulator) key(id string, a kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm, level kmspb.ProtectionLevel) string {
	e.Helper()
	return must(e.CreateCryptoKey(e.Context(), newKey(id, a, level)))(e.T).GetName()
}

// job makes an import job and returns it ACTIVE.
func (e *emulator) job(id string, m kmspb.ImportJob_ImportMethod, level kmspb.ProtectionLevel) *kmspb.ImportJob {
	e.Helper()
	made := must(e.CreateImportJob(e.Context(), &kmspb.CreateImportJobRequest{
		Parent: ring, ImportJobId: id, ImportJob: &kmspb.ImportJob{ImportMethod: m, ProtectionLevel: level},
	}))(e.T)
	return must(e.GetImportJob(e.Context(), &kmspb.GetImportJobRequest{Name: made.GetName()}))(e.T)
}

// wrap does what a token does, as the job's method asks.
func wrap(t *testing.T, j *kmspb.ImportJob, material []byte) []byte {
	t.Helper()
	block, rest := pem.Decode([]byte(j.GetPublicKey().GetPem()))
	if block == nil || len(rest) != 0 {
		t.Fatalf("wrapping key of %s is %q", j.GetState(), j.GetPublicKey().GetPem())
	}
	public, ok := must(x509.ParsePKIXPublicKey(block.Bytes))(t).(*rsa.PublicKey)
	if !ok {
		t.Fatal("the wrapping key is not RSA")
	}
	h, method := crypto.SHA256, j.GetImportMethod().String()
	if strings.Contains(method, "SHA1") {
		h = crypto.SHA1
	}
	if strings.HasSuffix(method, "AES_256") {
		return emutest.RSAAES(t, public, h, material)
	}
	return emutest.OAEP(t, public, h, material)
}

// request is an import into a key.
func request(t *testing.T, key string, a kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm, j *kmspb.ImportJob, material []byte) *kmspb.ImportCryptoKeyVersionRequest {
	t.Helper()
	return &kmspb.ImportCryptoKeyVersionRequest{Parent: key, Algorithm: a, ImportJob: j.GetName(), WrappedKey: wrap(t, j, material)}
}

// bring imports material and returns the version as it is afterwards.
func (e *emulator) bring(key string, a kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm, j *kmspb.ImportJob, material []byte) *kmspb.CryptoKeyVersion {
	e.Helper()
	v := must(e.ImportCryptoKeyVersion(e.Context(), request(e.T, key, a, j, material)))(e.T)
	if v.GetState() != kmspb.CryptoKeyVersion_PENDING_IMPORT {
		e.Errorf("answered %s", v.GetState())
	}
	return e.version(v.GetName())
}

func (e *emulator) version(name string) *kmspb.CryptoKeyVersion {
	e.Helper()
	return must(e.GetCryptoKeyVersion(e.Context(), &kmspb.GetCryptoKeyVersionRequest{Name: name}))(e.T)
}

func (e *emulator) wantState(name string, want kmspb.CryptoKeyVersion_CryptoKeyVersionState) {
	e.Helper()
	if v := e.version(name); v.GetState() != want {
		e.Errorf("state is %s (%s), want %s", v.GetState(), v.GetImportFailureReason(), want)
	}
}

func (e *emulator) advance(d time.Duration) {
	e.Helper()
	must(e.admin.Advance(e.Context(), d))(e.T)
}

func (e *emulator) configure(c gcpemu.Change) {
	e.Helper()
	if err := e.admin.Configure(e.Context(), c); err != nil {
		e.Fatalf("configure: %v", err)
	}
}

// fault adds a rule for an RPC.
func (e *emulator) fault(rpc string, r faults.Rule) string {
	e.Helper()
	r.Match.Action = rpc
	return must(e.admin.Add(e.Context(), r))(e.T)
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(key, err)(t)
}
