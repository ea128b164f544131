package localstack_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

func TestCloudsStartAndClose(t *testing.T) {
	t.Parallel()
	clouds, err := localstack.Start(t.Context(), localstack.Config{AWS: awsemu.Config{Now: time.Now}, Offset: 48 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if ahead := time.Until(clouds.AWS.Now()); ahead < 47*time.Hour || ahead > 49*time.Hour {
		t.Errorf("its clock is %v ahead, want 48h", ahead)
	}
	if clouds.LocalStack != nil {
		t.Error("LocalStack was started, though nobody asked for it")
	}
	admin := clouds.AWS.Admin()
	if report, err := admin.Report(t.Context()); err != nil || len(report.Keys) != 0 {
		t.Errorf("a new emulator reports %+v, %v", report, err)
	}
	if err := clouds.Close(); err != nil {
		t.Error(err)
	}
	gone := faults.Client{URL: admin.URL, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	if _, err := gone.Report(t.Context()); err == nil {
		t.Error("it answers after Close")
	}
}

// All emulators are under one CA and tell the same time.
func TestCloudsAreOneRun(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ca.pem")
	clouds, err := localstack.Start(t.Context(), localstack.Config{
		AWS: awsemu.Config{Now: time.Now}, Google: &gcpemu.Config{}, Azure: &azureemu.Config{}, CAFile: file, Offset: 48 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := clouds.Close(); err != nil {
			t.Error(err)
		}
	}()
	ca, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]interface {
		CAPEM() []byte
		Now() time.Time
	}{"AWS": clouds.AWS, "Google": clouds.Google, "Azure": clouds.Azure} {
		if !bytes.Equal(e.CAPEM(), ca) {
			t.Errorf("%s is under another CA", name)
		}
		if ahead := time.Until(e.Now()); ahead < 47*time.Hour || ahead > 49*time.Hour {
			t.Errorf("the clock of %s is %v ahead, want 48h", name, ahead)
		}
	}
}

func TestCloudsWithALocalStackThatIsNamed(t *testing.T) {
	t.Parallel()
	s := healthy(t, `{"services": {"kms": "running"}, "version": "4.14.0"}`)
	clouds, err := localstack.Start(t.Context(), localstack.Config{
		AWS: awsemu.Config{Now: time.Now}, LocalStack: &localstack.Options{Endpoint: s.URL},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = clouds.Close() }()
	if clouds.LocalStack.Endpoint != s.URL || clouds.LocalStack.Version != "4.14.0" {
		t.Errorf("took %+v, want the one at %s", clouds.LocalStack, s.URL)
	}
}

func TestCloudsLeaveNothingWhenOneFails(t *testing.T) {
	t.Parallel()
	port, err := emu.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	config := localstack.Config{
		AWS: awsemu.Config{Now: time.Now, Addr: fmt.Sprintf("127.0.0.1:%d", port)}, Google: &gcpemu.Config{}, Azure: &azureemu.Config{}, LocalStack: &localstack.Options{Endpoint: "http://127.0.0.1:1"},
	}
	for range 2 { // the second would find its port taken
		if _, err := localstack.Start(t.Context(), config); !errors.Is(err, localstack.ErrNotReady) {
			t.Fatalf("%v, want ErrNotReady", err)
		}
	}
	config.Azure.AdminAddr = "nowhere:x"
	for range 2 {
		if _, err := localstack.Start(t.Context(), config); err == nil || !strings.Contains(err.Error(), "Azure") {
			t.Fatalf("%v, want that Azure does not start", err)
		}
	}
	config.Google.AdminAddr = "nowhere:x"
	if _, err := localstack.Start(t.Context(), config); err == nil || !strings.Contains(err.Error(), "Google") {
		t.Fatalf("%v, want that Google does not start", err)
	}
}
