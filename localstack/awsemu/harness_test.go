package awsemu_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// emulator is a running server and a client of the default account.
type emulator struct {
	*testing.T
	*kms.Client
	server *awsemu.Server
	admin  faults.Client
}

func defaults() awsemu.Config { return awsemu.Config{} }

// start runs a server that shares wrapping keys between tests.
func start(t *testing.T, c awsemu.Config) *emulator {
	t.Helper()
	c.Now = time.Now
	if c.PoolDir == "" {
		c.PoolDir, c.ReuseWrappingKeys = filepath.Join("..", "..", ".cache", "wrapping-keys"), true
	}
	s, err := awsemu.Start(t.Context(), c)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &emulator{T: t, Client: client(s, s.Credentials(), "eu-west-1"), server: s, admin: s.Admin()}
}

// clocked signs with the emulator's time, as a machine would whose clock is that.
type clocked struct{ server *awsemu.Server }

func (c clocked) SignHTTP( //nolint:revive // the interface is the SDK's
	ctx context.Context, k aws.Credentials, r *http.Request, hash, service, region string, _ time.Time, o ...func(*v4.SignerOptions),
) error {
	return v4.NewSigner().SignHTTP(ctx, k, r, hash, service, region, c.server.Now(), o...)
}

// client is one that retries nothing.
func client(s *awsemu.Server, k awsemu.AccessKey, region string) *kms.Client {
	return kms.New(kms.Options{
		HTTPSignerV4: clocked{s},
		Region:       region, BaseEndpoint: aws.String(s.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(k.ID, k.Secret, k.Session),
	})
}

// must returns the value, or ends the test.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatalf("unexpected error: %v", err)
		}
		return v
	}
}

// refused ends the test unless err carries this code.
func refused(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	switch {
	case err == nil:
		t.Errorf("accepted, want %s", code)
	case !errors.As(err, &api) || api.ErrorCode() != code:
		t.Errorf("error %v, want %s", err, code)
	}
}

func (e *emulator) create(spec types.KeySpec, usage types.KeyUsageType, tags ...string) string {
	e.Helper()
	in := &kms.CreateKeyInput{Origin: types.OriginTypeExternal, KeySpec: spec, KeyUsage: usage}
	for i := 0; i+1 < len(tags); i += 2 {
		in.Tags = append(in.Tags, types.Tag{TagKey: &tags[i], TagValue: &tags[i+1]})
	}
	return *must(e.CreateKey(e.Context(), in))(e.T).KeyMetadata.KeyId
}

func (e *emulator) symmetric() string {
	e.Helper()
	return e.create(types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt)
}

// parameters fetches a wrapping key of 2048 bits.
func (e *emulator) parameters(key string, algorithm types.AlgorithmSpec) *kms.GetParametersForImportOutput {
	e.Helper()
	return must(e.GetParametersForImport(e.Context(), &kms.GetParametersForImportInput{
		KeyId: &key, WrappingAlgorithm: algorithm, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	}))(e.T)
}

// fitting is the algorithm that takes a material of any length.
func fitting(material []byte) types.AlgorithmSpec {
	if len(material) > 128 {
		return types.AlgorithmSpecRsaAesKeyWrapSha256
	}
	return types.AlgorithmSpecRsaesOaepSha256
}

// bring imports material for ever, changed by options.
func (e *emulator) bring(key string, material []byte, options ...func(*kms.ImportKeyMaterialInput)) (*kms.ImportKeyMaterialOutput, error) {
	e.Helper()
	algorithm := fitting(material)
	p := e.parameters(key, algorithm)
	in := &kms.ImportKeyMaterialInput{
		KeyId: &key, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrap(e.T, p.PublicKey, algorithm, material),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}
	for _, o := range options {
		o(in)
	}
	return e.ImportKeyMaterial(e.Context(), in)
}

func until(at time.Time) func(*kms.ImportKeyMaterialInput) {
	return func(in *kms.ImportKeyMaterialInput) {
		in.ValidTo, in.ExpirationModel = &at, types.ExpirationModelTypeKeyMaterialExpires
	}
}

func as(t types.ImportType) func(*kms.ImportKeyMaterialInput) {
	return func(in *kms.ImportKeyMaterialInput) { in.ImportType = t }
}

func (e *emulator) describe(key string) *types.KeyMetadata {
	e.Helper()
	return must(e.DescribeKey(e.Context(), &kms.DescribeKeyInput{KeyId: &key}))(e.T).KeyMetadata
}

func (e *emulator) state(key string, want types.KeyState) {
	e.Helper()
	if m := e.describe(key); m.KeyState != want || m.Enabled != (want == types.KeyStateEnabled) {
		e.Errorf("state is %s (enabled %t), want %s", m.KeyState, m.Enabled, want)
	}
}

func (e *emulator) advance(d time.Duration) {
	e.Helper()
	must(e.admin.Advance(e.Context(), d))(e.T)
}

func (e *emulator) configure(c awsemu.Change) {
	e.Helper()
	if err := e.admin.Configure(e.Context(), c); err != nil {
		e.Fatalf("configure: %v", err)
	}
}

// wrap does what a token does, with the standard library.
func wrap(t *testing.T, spki []byte, algorithm types.AlgorithmSpec, material []byte) []byte {
	t.Helper()
	public, ok := must(x509.ParsePKIXPublicKey(spki))(t).(*rsa.PublicKey)
	if !ok {
		t.Fatal("the wrapping key is not RSA")
	}
	h := crypto.SHA256
	if strings.HasSuffix(string(algorithm), "SHA_1") {
		h = crypto.SHA1
	}
	if !strings.HasPrefix(string(algorithm), "RSA_AES") {
		return emutest.OAEP(t, public, h, material)
	}
	return emutest.RSAAES(t, public, h, material)
}

func parametersInput(key string) *kms.GetParametersForImportInput {
	return &kms.GetParametersForImportInput{
		KeyId: &key, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	}
}
