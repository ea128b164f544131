package e2e_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// bearer is a token of a principal on every call.
type bearer string

// GetRequestMetadata is the authorization.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity is what a real token does.
func (bearer) RequireTransportSecurity() bool { return true }

// stranger is somebody else who may do everything in the key ring, with Google's client.
type stranger struct {
	*testing.T
	*kms.KeyManagementClient
}

func (c *clouds) stranger(t *testing.T) stranger {
	t.Helper()
	const email = "stranger@keyferry-emulator.iam.gserviceaccount.com"
	fatal(t, c.GCP.Admin().Configure(t.Context(), gcpemu.Change{Principals: []gcpemu.Principal{{Email: email}}}))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.GCP.CAPEM())
	conn, err := grpc.NewClient(c.GCP.Addr(), grpc.WithPerRPCCredentials(bearer(c.GCP.AccessToken(email))),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots})))
	fatal(t, err)
	t.Cleanup(func() { check(t, conn.Close()) })
	client, err := kms.NewKeyManagementClient(t.Context(), option.WithGRPCConn(conn))
	fatal(t, err)
	return stranger{t, client}
}

// makes a key of this name, for signing on P-384 as ours are, except what is changed.
func (s stranger) makes(name string, change func(*kmspb.CryptoKey)) string {
	s.Helper()
	key := &kmspb.CryptoKey{
		Purpose: kmspb.CryptoKey_ASYMMETRIC_SIGN, ImportOnly: true,
		VersionTemplate: &kmspb.CryptoKeyVersionTemplate{
			Algorithm: kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384, ProtectionLevel: kmspb.ProtectionLevel_HSM,
		},
	}
	if change != nil {
		change(key)
	}
	made, err := s.CreateCryptoKey(s.Context(), &kmspb.CreateCryptoKeyRequest{
		Parent: gcpemu.DefaultKeyRing, CryptoKeyId: name, CryptoKey: key, SkipInitialVersionCreation: true,
	})
	fatal(s.T, err)
	return made.GetName()
}

// imports material of his own into a key, under an import job of ours, and says which
// version that is.
func (s stranger) imports(key, job string, algorithm kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm, material []byte) string {
	s.Helper()
	held, err := s.GetImportJob(s.Context(), &kmspb.GetImportJobRequest{Name: job})
	fatal(s.T, err)
	block, _ := pem.Decode([]byte(held.GetPublicKey().GetPem()))
	if block == nil {
		s.Fatalf("%s has no wrapping key: %s", job, held.GetState())
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	fatal(s.T, err)
	wrapping, ok := public.(*rsa.PublicKey)
	if !ok {
		s.Fatalf("%s has a wrapping key that is a %T", job, public)
	}
	hash := crypto.SHA256
	if strings.Contains(held.GetImportMethod().String(), "SHA1") {
		hash = crypto.SHA1
	}
	made, err := s.ImportCryptoKeyVersion(s.Context(), &kmspb.ImportCryptoKeyVersionRequest{
		Parent: key, ImportJob: job, Algorithm: algorithm, WrappedKey: emutest.RSAAES(s.T, wrapping, hash, material),
	})
	fatal(s.T, err)
	now, err := s.GetCryptoKeyVersion(s.Context(), &kmspb.GetCryptoKeyVersionRequest{Name: made.GetName()})
	fatal(s.T, err)
	if now.GetState() != kmspb.CryptoKeyVersion_ENABLED {
		s.Fatalf("his import is %s: %s", now.GetState(), now.GetImportFailureReason())
	}
	return made.GetName()
}

// signingKey is new material for a key as makes makes it.
func (s stranger) signingKey() []byte {
	s.Helper()
	_, material := emutest.EC(s.T, elliptic.P384())
	return material
}

// job is the one import job that there is.
func (s stranger) job() string {
	s.Helper()
	for job, err := range s.ListImportJobs(s.Context(), &kmspb.ListImportJobsRequest{Parent: gcpemu.DefaultKeyRing}).All() {
		fatal(s.T, err)
		return job.GetName()
	}
	s.Fatal("there is no import job")
	return ""
}
