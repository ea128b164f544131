package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
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
