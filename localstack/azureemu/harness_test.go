package azureemu_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"go.uber.org/goleak"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// emulator is a running server, and clients of the default principal.
type emulator struct {
	*testing.T
	server *azureemu.Server
	admin  faults.Client
	http   *http.Client
	cred   azcore.TokenCredential
}

func defaults() azureemu.Config { return azureemu.Config{} }

// start runs a server that shares RSA keys between tests.
func start(t *testing.T, c azureemu.Config) *emulator {
	t.Helper()
	c.Now = time.Now
	if c.PoolDir == "" {
		c.PoolDir, c.ReuseWrappingKeys = filepath.Join("..", "..", ".cache", "wrapping-keys"), true
	}
	s, err := azureemu.Start(t.Context(), c)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	client := httpClient(s)
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	e := &emulator{T: t, server: s, admin: s.Admin(), http: client}
	e.cred = certificateCredential(e, emutest.Must(s.Credentials())(t))
	return e
}

// httpClient trusts the run CA, and finds every name below localhost on loopback.
func httpClient(s *azureemu.Server) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CAPEM())
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}}
}

// options are those of a client of this cloud that retries nothing.
func (e *emulator) options() azcore.ClientOptions {
	return azcore.ClientOptions{
		Transport: e.http, Retry: policy.RetryOptions{MaxRetries: -1},
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: e.server.AuthorityURL()},
	}
}

func certificateCredential(e *emulator, c azureemu.Credentials) azcore.TokenCredential {
	e.Helper()
	certs, key, err := azidentity.ParseCertificates(c.CertificatePEM, nil)
	if err != nil {
		e.Fatalf("parse certificate: %v", err)
	}
	cred, err := azidentity.NewClientCertificateCredential(c.Tenant, c.ClientID, certs, key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions: e.options(), DisableInstanceDiscovery: true,
	})
	if err != nil {
		e.Fatalf("make credential: %v", err)
	}
	return cred
}

// client speaks to a vault, with verification of the challenge on.
func (e *emulator) client(vault string) *azkeys.Client {
	e.Helper()
	return e.clientAs(vault, e.cred)
}

func (e *emulator) clientAs(vault string, cred azcore.TokenCredential) *azkeys.Client {
	e.Helper()
	return emutest.Must(azkeys.NewClient(e.server.URL(vault), cred, &azkeys.ClientOptions{ClientOptions: e.options()}))(e.T)
}

// refused ends the test unless err carries this status and code.
func refused(t *testing.T, err error, status int, code string) {
	t.Helper()
	var api *azcore.ResponseError
	switch {
	case err == nil:
		t.Errorf("accepted, want %d %s", status, code)
	case !errors.As(err, &api) || api.StatusCode != status || api.ErrorCode != code:
		t.Errorf("error %v, want %d %s", err, status, code)
	}
}

func ops(names ...azkeys.KeyOperation) []*azkeys.KeyOperation {
	var out []*azkeys.KeyOperation
	for _, n := range names {
		out = append(out, &n)
	}
	return out
}

// kek creates a Key Exchange Key of 2048 bits.
func (e *emulator) kek(c *azkeys.Client, name string) *azkeys.JSONWebKey {
	e.Helper()
	kty, size := azkeys.KeyTypeRSAHSM, int32(2048)
	return emutest.Must(c.CreateKey(e.Context(), name, azkeys.CreateKeyParameters{
		Kty: &kty, KeySize: &size, KeyOps: ops(azkeys.KeyOperationImport),
	}, nil))(e.T).Key
}

// blob wraps material for a KEK as the BYOK specification says, changed by options.
func blob(t *testing.T, kek *azkeys.JSONWebKey, material []byte, change ...func(map[string]any)) []byte {
	t.Helper()
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(kek.N), E: int(new(big.Int).SetBytes(kek.E).Int64())}
	out := map[string]any{
		"schema_version": "1.0.0",
		"header":         map[string]any{"kid": string(*kek.KID), "alg": "dir", "enc": "CKM_RSA_AES_KEY_WRAP"},
		"ciphertext":     base64.RawURLEncoding.EncodeToString(emutest.RSAAES(t, public, crypto.SHA1, material)),
		"generator":      "a test",
	}
	for _, c := range change {
		c(out)
	}
	return emutest.Must(json.Marshal(out))(t)
}

// bring imports a blob as a key of this type.
func (e *emulator) bring(c *azkeys.Client, name string, kty azkeys.KeyType, b []byte, change ...func(*azkeys.ImportKeyParameters)) (azkeys.ImportKeyResponse, error) {
	e.Helper()
	in := azkeys.ImportKeyParameters{Key: &azkeys.JSONWebKey{Kty: &kty, T: b, KeyOps: ops(azkeys.KeyOperationSign, azkeys.KeyOperationVerify)}}
	for _, f := range change {
		f(&in)
	}
	return c.ImportKey(e.Context(), name, in, nil)
}

func (e *emulator) configure(c azureemu.Change) {
	e.Helper()
	if err := e.admin.Configure(e.Context(), c); err != nil {
		e.Fatalf("configure: %v", err)
	}
}

func (e *emulator) advance(d time.Duration) {
	e.Helper()
	emutest.Must(e.admin.Advance(e.Context(), d))(e.T)
}

// sum is SHA-256 in hex, as the report has it.
func sum(material []byte) string {
	s := sha256.Sum256(material)
	return hex.EncodeToString(s[:])
}

func restoreOf(backup []byte) azkeys.RestoreKeyParameters {
	return azkeys.RestoreKeyParameters{KeyBackup: backup}
}
