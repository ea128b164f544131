package localstack_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/localstack"
)

// unlessSkipped skips the test if a person gave LocalStack up on purpose.
func unlessSkipped(t *testing.T, name string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("KEYFERRY_TEST_SKIP"), ","), name) {
		t.Skip("KEYFERRY_TEST_SKIP names " + name)
	}
}

// TestLocalStack starts one, looks at it from outside, and stops it.
func TestLocalStack(t *testing.T) {
	unlessSkipped(t, "localstack")
	cache, err := filepath.Abs("../.cache")
	if err != nil {
		t.Fatal(err)
	}
	ls, err := localstack.StartIn(t.Context(), t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ls.Stop() })
	t.Run("answers", func(t *testing.T) { found(t, ls) })
	t.Run("is reached from this machine alone", func(t *testing.T) { loopbackOnly(t, ls) })
	t.Run("imports", func(t *testing.T) { imports(t, ls) })
	t.Run("departs", func(t *testing.T) { departs(t, ls) })
	if err := ls.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := localstack.StartAWS(t.Context(), localstack.Options{Endpoint: ls.Endpoint}); err == nil {
		t.Error("it answers after Stop")
	}
	if _, err := os.Stat(ls.Log); err == nil {
		t.Errorf("%s is still there after Stop", ls.Log)
	}
}

func found(t *testing.T, ls *localstack.LocalStack) {
	t.Helper()
	again, err := localstack.StartAWS(t.Context(), localstack.Options{Endpoint: ls.Endpoint})
	if err != nil {
		t.Fatal(err)
	}
	if again.Version != ls.Version || again.Endpoint != ls.Endpoint {
		t.Errorf("found %s at %s, started %s at %s", again.Version, again.Endpoint, ls.Version, ls.Endpoint)
	}
	if _, err := os.Stat(ls.Log); err != nil {
		t.Error(err)
	}
}

// loopbackOnly holds LocalStack to the host it was given: left alone it listens
// on every interface.
func loopbackOnly(t *testing.T, ls *localstack.LocalStack) {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(ls.Endpoint, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.IsLinkLocalUnicast() {
			continue
		}
		var d net.Dialer
		if c, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(ip.IP.String(), port)); err == nil {
			_ = c.Close()
			t.Errorf("LocalStack listens on %s too", ip.IP)
		}
	}
}

// TestLocalStackEndsWithWhoStartedIt kills the process that holds LocalStack.
func TestLocalStackEndsWithWhoStartedIt(t *testing.T) {
	unlessSkipped(t, "localstack")
	if _, err := exec.LookPath("docker"); err == nil {
		t.Log("a container of Docker outlives a killed client; see README")
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHoldLocalStack$")
	cmd.Env = append(os.Environ(), "LOCALSTACK_TEST_HOLD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 256)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := strings.TrimSpace(string(line[:n]))
	if _, err := localstack.StartAWS(t.Context(), localstack.Options{Endpoint: endpoint}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.RemoveAll(filepath.Join("../.cache/localstack", endpoint[strings.LastIndex(endpoint, ":")+1:]))
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	await(t, "LocalStack to end", func() bool {
		_, err := localstack.StartAWS(t.Context(), localstack.Options{Endpoint: endpoint})
		return err != nil
	})
}

// TestHoldLocalStack is the process that TestLocalStackEndsWithWhoStartedIt kills.
func TestHoldLocalStack(t *testing.T) {
	if os.Getenv("LOCALSTACK_TEST_HOLD") == "" {
		return
	}
	cache, err := filepath.Abs("../.cache")
	if err != nil {
		t.Fatal(err)
	}
	ls, err := localstack.StartIn(t.Context(), t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stdout.WriteString(ls.Endpoint + "\n"); err != nil {
		t.Fatal(err)
	}
	<-context.Background().Done() // until killed
}
