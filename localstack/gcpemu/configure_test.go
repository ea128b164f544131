package gcpemu_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

func TestConfigurationIsShown(t *testing.T) {
	t.Parallel()
	c := withHelper()
	c.Settings = gcpemu.Settings{PageSize: 7, ImportErrors: gcpemu.LengthRefused}
	e := start(t, c)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, wants := range map[string][]string{
		"/config": {`"page_size":7`, `"import_errors":"lengths"`, helper, "cloudkms.keyRings.get", ring, e.server.Federated()},
		"/health": {e.server.Addr(), e.server.PlainAddr(), e.server.TokenURL(), e.server.Email(), "BEGIN CERTIFICATE"},
	} {
		resp := must(client.Get(e.server.AdminURL() + path))(t)
		text := string(must(io.ReadAll(resp.Body))(t))
		_ = resp.Body.Close()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s is not in %s", want, text)
			}
		}
	}
}

func TestUnknownSettingsAreRefused(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	for _, change := range []any{
		map[string]any{"settings": map[string]any{"lenience": true}},
		map[string]any{"setting": nil},
		gcpemu.Change{KeyRings: []string{"projects/p/keyRings/r"}},
		gcpemu.Change{KeyRings: []string{"projects/p/locations/moon/keyRings/r"}},
		gcpemu.Change{Principals: []gcpemu.Principal{{}}},
		gcpemu.Change{Settings: &gcpemu.Settings{ImportErrors: "x"}},
	} {
		if err := e.admin.Configure(t.Context(), change); err == nil {
			t.Errorf("%+v was taken", change)
		}
	}
}

func TestChangesTakeEffect(t *testing.T) {
	t.Parallel()
	e := start(t, withHelper())
	other := "projects/other/locations/global/keyRings/r"
	get := &kmspb.GetKeyRingRequest{Name: other}
	_, err := e.GetKeyRing(t.Context(), get)
	refused(t, err, codes.PermissionDenied)
	e.configure(gcpemu.Change{KeyRings: []string{other}})
	for range 2 {
		must(e.GetKeyRing(t.Context(), get))(t)
		if err := e.admin.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	limited := client(t, e.server, helper)
	list := &kmspb.GetImportJobRequest{Name: ring + "/importJobs/none"}
	_, err = limited.GetImportJob(t.Context(), list)
	refused(t, err, codes.PermissionDenied, "cloudkms.importJobs.get")
	e.configure(gcpemu.Change{Principals: []gcpemu.Principal{{Email: helper}}})
	_, err = limited.GetImportJob(t.Context(), list)
	refused(t, err, codes.NotFound)
}

func TestBadConfigurationsDoNotStart(t *testing.T) {
	t.Parallel()
	taken := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer func() { _ = taken.Close() }()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	for name, c := range map[string]gcpemu.Config{
		"no clock":             {},
		"plain for everybody":  {Now: time.Now, PlainAddr: "0.0.0.0:0"},
		"no address":           {Now: time.Now, PlainAddr: "x"},
		"ring of no location":  {Now: time.Now, KeyRings: []string{"projects/p/locations/moon/keyRings/r"}},
		"CA into nothing":      {Now: time.Now, CAFile: filepath.Join(file, "ca")},
		"pool in a file":       {Now: time.Now, PoolDir: filepath.Join(file, "pool")},
		"principal of no name": {Now: time.Now, Principals: []gcpemu.Principal{{}}},
		"taken":                {Now: time.Now, Addr: taken.Addr().String()},
		"taken, plain":         {Now: time.Now, PlainAddr: taken.Addr().String()},
		"taken, tokens":        {Now: time.Now, TokenAddr: taken.Addr().String()},
		"taken, admin":         {Now: time.Now, AdminAddr: taken.Addr().String()},
	} {
		if s, err := gcpemu.Start(t.Context(), c); err == nil {
			t.Errorf("%s: it started", name)
			_ = s.Close()
		}
	}
}

func TestOneCAForSeveral(t *testing.T) {
	t.Parallel()
	ca := must(emu.NewAuthority(time.Now()))(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	e := start(t, gcpemu.Config{CA: ca, CAFile: file, Hosts: []string{"kms.example.org"}})
	if text := must(os.ReadFile(file))(t); string(text) != string(ca.PEM()) || string(e.server.CAPEM()) != string(text) {
		t.Error("it has another CA")
	}
	must(e.GetKeyRing(t.Context(), &kmspb.GetKeyRingRequest{Name: ring}))(t)
}

func TestTheEndOfTheContextEndsTheServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := must(gcpemu.Start(ctx, gcpemu.Config{Now: time.Now}))(t)
	c := client(t, s, s.Email())
	must(c.GetKeyRing(t.Context(), &kmspb.GetKeyRingRequest{Name: ring}))(t)
	cancel()
	_ = s.Close() // waits for the end that the context began
	short, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if _, err := c.GetKeyRing(short, &kmspb.GetKeyRingRequest{Name: ring}); err == nil {
		t.Error("a closed server answers")
	}
}

func TestCredentialsOfNobody(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	if _, err := e.server.CredentialsOf("nobody"); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("made, %v", err)
	}
}
