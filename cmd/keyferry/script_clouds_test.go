package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// startGoogle starts the Google emulator, and puts its endpoints into the environment
// and the credentials of its principal into google.json.
func startGoogle(ts *testscript.TestScript, _ bool, _ []string) {
	srv, err := gcpemu.Start(context.Background(), gcpemu.Config{
		Now: time.Now, CAFile: ts.MkAbs("google-ca.pem"), PoolDir: wrappingKeyPool(ts), ReuseWrappingKeys: true,
	})
	ts.Check(err)
	ts.Defer(func() { ts.Check(srv.Close()) })
	stageOf(ts).google = srv
	secret, err := srv.ServiceAccountJSON()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("google.json"), secret, 0o600))
	for name, value := range map[string]string{
		"GOOGLE_ENDPOINT": "https://" + srv.Addr(), "GOOGLE_TOKENS": srv.TokenURL(), "PROJECT": srv.Project(),
	} {
		ts.Setenv(name, value)
	}
}

// startAzure starts the Azure emulator in the same way: azure.pem is the certificate
// of its principal.
func startAzure(ts *testscript.TestScript, _ bool, _ []string) {
	srv, err := azureemu.Start(context.Background(), azureemu.Config{
		Now: time.Now, CAFile: ts.MkAbs("azure-ca.pem"), PoolDir: wrappingKeyPool(ts), ReuseWrappingKeys: true,
	})
	ts.Check(err)
	ts.Defer(func() { ts.Check(srv.Close()) })
	stageOf(ts).azure = srv
	who, err := srv.Credentials()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("azure.pem"), who.CertificatePEM, 0o600))
	for name, value := range map[string]string{
		"AUTHORITY": srv.AuthorityURL(), "TENANT": who.Tenant, "CLIENT_ID": who.ClientID,
		"STANDARD": srv.URL(azureemu.DefaultStandard), "PREMIUM": srv.URL(azureemu.DefaultPremium), "POOL": srv.URL(azureemu.DefaultPool),
	} {
		ts.Setenv(name, value)
	}
}

func wrappingKeyPool(ts *testscript.TestScript) string {
	root, err := softtoken.Root()
	ts.Check(err)
	return filepath.Join(root, ".cache", "wrapping-keys")
}

// adminOf is the emulator that a script means by aws, google or azure.
func (s *stage) adminOf(cloud string) faults.Client {
	switch cloud {
	case "google":
		return s.google.Admin()
	case "azure":
		return s.azure.Admin()
	default:
		return s.cloud.Admin()
	}
}

// inCloud: in CLOUD COMMAND ARGUMENT… asks or changes another emulator than that of
// AWS: configure JSON, fault JSON, clear, clock DURATION, arrived NAME N.
func inCloud(ts *testscript.TestScript, _ bool, args []string) {
	admin, ctx := stageOf(ts).adminOf(args[0]), context.Background()
	switch args[1] {
	case "configure":
		ts.Check(admin.Configure(ctx, json.RawMessage(args[2])))
	case "fault":
		var rule faults.Rule
		ts.Check(json.Unmarshal([]byte(args[2]), &rule))
		_, err := admin.Add(ctx, rule)
		ts.Check(err)
	case "clear":
		ts.Check(admin.Remove(ctx, ""))
	case "clock":
		d, err := time.ParseDuration(args[2])
		ts.Check(err)
		_, err = admin.SetOffset(ctx, d)
		ts.Check(err)
	case "arrived":
		report, err := admin.Report(ctx)
		ts.Check(err)
		if n := report.Names[args[2]]; strconv.Itoa(n.Versions) != args[3] {
			ts.Fatalf("of %s there are %+v at %s, want %s versions", args[2], n, args[0], args[3])
		}
	default:
		ts.Fatalf("in %s: no command %s", args[0], args[1])
	}
}

// abortImport: abort NAME takes back the newest import of a key.
func abortImport(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("keyferry", "operation", "list", "--key", args[0], "--output", "jsonl"))
	var newest operationRow
	ts.Check(json.NewDecoder(strings.NewReader(ts.ReadFile("stdout"))).Decode(&newest))
	ts.Check(ts.Exec("keyferry", "operation", "abort", newest.ID, "--reason", "not needed"))
}
