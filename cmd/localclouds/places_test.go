package main_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cloud.google.com/go/auth/credentials"
	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	tlscreds "google.golang.org/grpc/credentials"
)

func TestAzureIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, "--json", "--credentials-out", dir)
	p := s.place(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(read(t, p.CAFile))
	client := alone(roots)
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, p.Azure.Addr)
	}
	for _, url := range []string{p.Azure.URL, p.Azure.HSMURL} {
		resp, err := client.Get(url + "/keys?api-version=7.4")
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		_ = resp.Body.Close()
		if challenge := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(challenge, p.Azure.Tenant) {
			t.Errorf("%s: %d, challenge %q", url, resp.StatusCode, challenge)
		}
	}
	if health, err := get(t, alone(nil), p.Azure.AdminURL+"/health"); err != nil {
		t.Errorf("its admin port says %v, %v", health, err)
	}
	if p.Azure.Credentials != filepath.Join(dir, "azure.pem") || p.Azure.ClientID == "" {
		t.Errorf("printed %+v", p.Azure)
	}
	if _, err := tls.LoadX509KeyPair(p.Azure.Credentials, p.Azure.Credentials); err != nil {
		t.Errorf("the credentials are no certificate with its key: %v", err)
	}
	s.stop(t, os.Interrupt)
	if _, err := os.Stat(p.Azure.Credentials); err != nil {
		t.Errorf("the credentials that were asked for are gone: %v", err)
	}
}

// A client that somebody else wrote gets in by the file of credentials alone.
func TestGoogleIsThere(t *testing.T) {
	t.Parallel()
	p := start(t, "--json").place(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(read(t, p.CAFile))
	who, err := credentials.NewCredentialsFromFile(credentials.ServiceAccount, p.Google.Credentials, &credentials.DetectOptions{
		Scopes: []string{"https://www.googleapis.com/auth/cloud-platform"}, Client: alone(roots),
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kms.NewKeyManagementClient(t.Context(), option.WithEndpoint(strings.TrimPrefix(p.Google.URL, "https://")),
		option.WithAuthCredentials(who), option.WithGRPCDialOption(grpc.WithTransportCredentials(tlscreds.NewClientTLSFromCert(roots, ""))))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ring, err := client.GetKeyRing(t.Context(), &kmspb.GetKeyRingRequest{Name: p.Google.KeyRing})
	if err != nil || ring.Name != p.Google.KeyRing {
		t.Errorf("its key ring is %v, %v", ring, err)
	}
	if health, err := get(t, alone(nil), p.Google.AdminURL+"/health"); err != nil {
		t.Errorf("its admin port says %v, %v", health, err)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestExportsCanBePasted(t *testing.T) {
	t.Parallel()
	s := start(t)
	if !strings.HasPrefix(s.line, "# AWS KMS emulator, ready in ") {
		t.Errorf("begins with %q", s.line)
	}
	code, rest := s.stop(t, syscall.SIGTERM)
	if code != 0 {
		t.Errorf("SIGTERM ended it with %d: %s", code, s.err.String())
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", s.line+rest+"env")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("paste %q: %v", rest, err)
	}
	for _, name := range []string{
		"AWS_ENDPOINT_URL_KMS=http://127.0.0.1:", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:", "AWS_REGION=", "AWS_ACCESS_KEY_ID=AKIA",
		"AWS_SECRET_ACCESS_KEY=", "LOCALCLOUDS_AWS_TLS_URL=https://127.0.0.1:", "LOCALCLOUDS_AWS_ADMIN_URL=http://127.0.0.1:", "LOCALCLOUDS_CA_FILE=/",
		"LOCALCLOUDS_AZURE_URL=https://premium.", "LOCALCLOUDS_AZURE_HSM_URL=https://pool.", "LOCALCLOUDS_AZURE_ADMIN_URL=http://127.0.0.1:",
		"LOCALCLOUDS_AZURE_CREDENTIALS=/", "AZURE_TENANT_ID=", "LOCALCLOUDS_GCP_URL=https://127.0.0.1:", "LOCALCLOUDS_GCP_ADMIN_URL=http://127.0.0.1:",
		"LOCALCLOUDS_GCP_CREDENTIALS=/", "GOOGLE_APPLICATION_CREDENTIALS=/", "AZURE_CLIENT_CERTIFICATE_PATH=/",
	} {
		if !strings.Contains("\n"+string(out), "\n"+name) {
			t.Errorf("the shell has no %s in\n%s", name, out)
		}
	}
	for _, name := range []string{"LOCALCLOUDS_CA_FILE=", "LOCALCLOUDS_AZURE_CREDENTIALS=", "LOCALCLOUDS_GCP_CREDENTIALS="} {
		_, file, _ := strings.Cut(string(out), name)
		file, _, _ = strings.Cut(file, "\n")
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s is still there, though nobody asked for it", file)
		}
	}
}
