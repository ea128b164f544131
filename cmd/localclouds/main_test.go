package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/auth/credentials"
	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	tlscreds "google.golang.org/grpc/credentials"
)

// place is what --json prints, read as a script would.
type place struct {
	URL               string  `json:"url"`
	TLSURL            string  `json:"tls_url"`
	AdminURL          string  `json:"admin_url"`
	CAFile            string  `json:"ca_file"`
	Account           string  `json:"account"`
	Region            string  `json:"region"`
	AccessKeyID       string  `json:"access_key_id"`
	SecretAccessKey   string  `json:"secret_access_key"`
	ReadyMilliseconds float64 `json:"ready_ms"`
	Google            *google `json:"google"`
	Azure             *azure  `json:"azure"`
	LocalStack        string  `json:"localstack"`
	LocalStackVersion string  `json:"localstack_version"`
	LocalStackAccount string  `json:"localstack_account"`
}

type google struct {
	URL         string `json:"url"`
	PlainAddr   string `json:"plain_addr"`
	TokenURL    string `json:"token_url"`
	AdminURL    string `json:"admin_url"`
	Project     string `json:"project"`
	KeyRing     string `json:"key_ring"`
	Email       string `json:"email"`
	Credentials string `json:"credentials_file"`
}

type azure struct {
	URL          string `json:"url"`
	HSMURL       string `json:"hsm_url"`
	Addr         string `json:"addr"`
	AuthorityURL string `json:"authority_url"`
	AdminURL     string `json:"admin_url"`
	Tenant       string `json:"tenant"`
	ClientID     string `json:"client_id"`
	Credentials  string `json:"credentials_file"`
}

func TestMain(m *testing.M) {
	if os.Getenv("LOCALCLOUDS_BINARY") != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "localclouds-test-")
	if err != nil {
		panic(err)
	}
	binary := filepath.Join(dir, "localclouds")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	if err := os.Setenv("LOCALCLOUDS_BINARY", binary); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// program is the built binary with no wrapping keys made ahead.
func program(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, os.Getenv("LOCALCLOUDS_BINARY"), append([]string{"--wrapping-keys", ""}, args...)...)
}

// started is one that runs, with what it printed first.
type started struct {
	cmd  *exec.Cmd
	out  *bufio.Reader
	err  bytes.Buffer
	line string
}

func start(t *testing.T, args ...string) *started {
	t.Helper()
	s := &started{cmd: program(t.Context(), args...)}
	s.cmd.Stderr = &s.err
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	s.out = bufio.NewReader(out)
	if s.line, err = s.out.ReadString('\n'); err != nil {
		t.Fatalf("%v: %s", err, s.err.String())
	}
	return s
}

func (s *started) place(t *testing.T) place {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s.line))
	d.DisallowUnknownFields()
	var p place
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%v in %q", err, s.line)
	}
	return p
}

// stop sends a signal and returns the exit code and the rest of the output.
func (s *started) stop(t *testing.T, signal os.Signal) (code int, rest string) {
	t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(s.out)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	return s.cmd.ProcessState.ExitCode(), string(text)
}

func get(t *testing.T, client *http.Client, url string) (map[string]any, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var out map[string]any
	return out, json.NewDecoder(resp.Body).Decode(&out)
}

// alone is a client that keeps no connection.
func alone(roots *x509.CertPool) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

func TestOneLineOfJSON(t *testing.T) {
	t.Parallel()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	s := start(t, "--json", "--ca-out", ca)
	p := s.place(t)
	if p.Account != "000000000000" || p.Region == "" || p.AccessKeyID == "" || p.SecretAccessKey == "" || p.CAFile != ca || p.LocalStack != "" {
		t.Errorf("printed %+v", p)
	}
	if p.ReadyMilliseconds <= 0 || p.ReadyMilliseconds > 1000 {
		t.Errorf("ready after %v ms, want less than a second", p.ReadyMilliseconds)
	}
	health, err := get(t, alone(nil), p.AdminURL+"/health")
	if err != nil || health["url"] != p.URL || health["tls_url"] != p.TLSURL {
		t.Errorf("the admin port says %v, %v", health, err)
	}
	pem := read(t, ca)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("%s is no certificate: %q", ca, pem)
	}
	for _, url := range []string{p.TLSURL, p.Google.TokenURL, p.Azure.AuthorityURL} {
		if resp, err := alone(roots).Get(url); err != nil {
			t.Errorf("TLS under the CA: %v", err)
		} else {
			_ = resp.Body.Close()
		}
	}
	if resp, err := alone(nil).Get(p.TLSURL); err == nil {
		_ = resp.Body.Close()
		t.Error("TLS is trusted without the CA")
	}
	if code, rest := s.stop(t, os.Interrupt); code != 0 || rest != "" || s.err.Len() != 0 {
		t.Errorf("^C ended it with %d, %q, %q", code, rest, s.err.String())
	}
	if _, err := get(t, alone(nil), p.AdminURL+"/health"); err == nil {
		t.Error("it answers after ^C")
	}
	if _, err := os.Stat(ca); err != nil {
		t.Errorf("the CA that was asked for is gone: %v", err)
	}
}

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

func TestSwitches(t *testing.T) {
	t.Parallel()
	s := start(t, "--json", "--quotas", "--consistency", "1.5s", "--clock-offset", "24h", "--reuse-wrapping-keys")
	p := s.place(t)
	config, err := get(t, alone(nil), p.AdminURL+"/config")
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := config["settings"].(map[string]any)
	if !ok || settings["quotas"] != true || settings["hidden_for"] != 1.5 {
		t.Errorf("settings are %v, want quotas and 1.5 seconds", config)
	}
	for _, admin := range []string{p.AdminURL, p.Google.AdminURL, p.Azure.AdminURL} {
		if clock, err := get(t, alone(nil), admin+"/clock"); err != nil || clock["offset"] != 24.0*60*60 {
			t.Errorf("the clock says %v, %v; want a day ahead", clock, err)
		}
		config, err := get(t, alone(nil), admin+"/config")
		if settings, ok := config["settings"].(map[string]any); !ok || err != nil || settings["quotas"] != true {
			t.Errorf("settings are %v, %v; want quotas", config, err)
		}
	}
}

func TestPortsAreThoseAskedFor(t *testing.T) {
	t.Parallel()
	first := start(t, "--json")
	p := first.place(t)
	if code, _ := first.stop(t, os.Interrupt); code != 0 {
		t.Fatalf("ended with %d", code)
	}
	host := func(url string) string { return url[strings.LastIndex(url, "/")+1:] }
	again := start(t, "--json", "--listen", host(p.URL), "--listen-tls", host(p.TLSURL), "--admin", host(p.AdminURL),
		"--listen-azure", p.Azure.Addr, "--admin-azure", host(p.Azure.AdminURL),
		"--listen-gcp", host(p.Google.URL), "--admin-gcp", host(p.Google.AdminURL))
	q := again.place(t)
	if q.URL != p.URL || q.TLSURL != p.TLSURL || q.AdminURL != p.AdminURL {
		t.Errorf("listens at %s %s %s, want %s %s %s", q.URL, q.TLSURL, q.AdminURL, p.URL, p.TLSURL, p.AdminURL)
	}
	if q.Google.URL != p.Google.URL || q.Google.AdminURL != p.Google.AdminURL {
		t.Errorf("listens at %+v, want %+v", q.Google, p.Google)
	}
	if q.Azure.URL != p.Azure.URL || q.Azure.Addr != p.Azure.Addr || q.Azure.AdminURL != p.Azure.AdminURL {
		t.Errorf("listens at %+v, want %+v", q.Azure, p.Azure)
	}
	third := program(t.Context(), "--admin", host(p.AdminURL))
	out, err := third.CombinedOutput()
	if code := exitCode(err); code != 1 || !strings.Contains(string(out), "address already in use") {
		t.Errorf("a taken port: %d, %s", code, out)
	}
}

func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return 0
}

func TestCommandRunsBetweenStartAndStop(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137} {
		cmd := program(t.Context(), "--", "sh", "-c", `printf '%s %s' "$LOCALCLOUDS_AWS_ADMIN_URL" "${AWS_ENDPOINT_URL_KMS-none}"; cat; `+script)
		cmd.Stdin = strings.NewReader(" and the input")
		out, err := cmd.Output()
		if got := exitCode(err); got != want {
			t.Errorf("%s: exit code %d, want %d", script, got, want)
		}
		admin, rest, _ := strings.Cut(string(out), " ")
		if rest != "none and the input" {
			t.Errorf("%s: the command saw %q", script, out)
		}
		if _, err := get(t, alone(nil), admin+"/health"); err == nil {
			t.Errorf("%s: the emulator at %s outlived the command", script, admin)
		}
	}
	cmd := program(t.Context(), "--", "/no/such/command")
	out, err := cmd.CombinedOutput()
	if exitCode(err) != 1 || !strings.Contains(string(out), "/no/such/command") {
		t.Errorf("no such command: %v, %s", err, out)
	}
}

func TestSignalReachesTheCommand(t *testing.T) {
	t.Parallel()
	s := start(t, "--", "sh", "-c", "trap 'echo asked; exit 3' TERM; echo runs; while :; do sleep 0.01; done")
	if code, rest := s.stop(t, os.Interrupt); code != 3 || rest != "asked\n" {
		t.Errorf("ended with %d and %q, want 3 and asked", code, rest)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	// The command ignores the request to end, and ends when localclouds is gone.
	s := start(t, "--", "sh", "-c", "trap '' TERM; echo runs; while kill -0 $PPID 2>/dev/null && [ $PPID != 1 ]; do sleep 0.01; done")
	done := make(chan struct{})
	go func() {
		_ = s.cmd.Wait() // how it ended is looked at below
		close(done)
	}()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-done:
			status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || status.Signal() != syscall.SIGINT {
				t.Errorf("it ended with %v, want by the signal", s.cmd.ProcessState)
			}
			return
		case <-again.C:
			_ = s.cmd.Process.Signal(os.Interrupt)
		case <-t.Context().Done():
			t.Fatal("it ignores a second signal")
		}
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--nope"}, {"--clock-offset", "soon"}} {
		out, err := program(t.Context(), args...).CombinedOutput()
		if exitCode(err) != 2 || !strings.Contains(string(out), "localclouds: ") {
			t.Errorf("%q: %v, %s; want exit code 2", args, err, out)
		}
	}
	out, err := program(t.Context(), "--help").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "localclouds --localstack -- go test") {
		t.Errorf("help: %v, %s", err, out)
	}
}

func TestLocalStackIsStartedAndStopped(t *testing.T) {
	if slices.Contains(strings.Split(os.Getenv("KEYFERRY_TEST_SKIP"), ","), "localstack") {
		t.Skip("KEYFERRY_TEST_SKIP names localstack")
	}
	t.Setenv("LOCALSTACK_ENDPOINT", "")
	s := start(t, "--json", "--localstack")
	p := s.place(t)
	if p.LocalStackVersion == "" || p.LocalStackAccount != "000000000000" {
		t.Errorf("printed %+v", p)
	}
	health, err := get(t, alone(nil), p.LocalStack+"/_localstack/health")
	if err != nil || health["version"] != p.LocalStackVersion {
		t.Errorf("LocalStack says %v, %v", health, err)
	}
	second := program(t.Context(), "--localstack", "--", "sh", "-c", `printf %s "$LOCALSTACK_ENDPOINT"`)
	second.Env = append(os.Environ(), "LOCALSTACK_ENDPOINT="+p.LocalStack)
	if out, err := second.Output(); err != nil || string(out) != p.LocalStack {
		t.Errorf("the command got %q, %v; want the one that runs, %s", out, err, p.LocalStack)
	}
	if code, _ := s.stop(t, os.Interrupt); code != 0 {
		t.Errorf("^C ended it with %d: %s", code, s.err.String())
	}
	if p.LocalStack == "http://127.0.0.1:4566" {
		return // it was a person's, and stays
	}
	if _, err := get(t, alone(nil), p.LocalStack+"/_localstack/health"); err == nil {
		t.Error("LocalStack outlived localclouds")
	}
}
