package awsemu_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyferry/keyferry/localstack/awsemu"
)

func TestConfigurationIsShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	c := withRoles()
	c.AccountID, c.Settings = "123456789012", awsemu.Settings{PageSize: 7}
	e := start(t, c)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp := must(client.Get(e.server.AdminURL() + "/config"))(t)
	text := string(must(io.ReadAll(resp.Body))(t))
	_ = resp.Body.Close()
	for _, want := range []string{`"page_size":7`, `"AKIANOROLE"`, `role/path/importer`, e.server.Account()} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	for _, secret := range []string{e.server.Credentials().Secret, "x-1"} {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is in %s", text)
		}
	}
}

func TestUnknownSettingsAreRefused(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	for _, change := range []any{
		map[string]any{"settings": map[string]any{"lenience": true}},
		map[string]any{"setting": nil},
		awsemu.Change{Roles: []awsemu.Role{{ARN: "arn:aws:iam::1:role/x"}}},
		awsemu.Change{AccessKeys: []awsemu.AccessKey{{ID: "AKIA", Account: "x"}}},
	} {
		if err := e.admin.Configure(t.Context(), change); err == nil {
			t.Errorf("%+v was taken", change)
		}
	}
}

// A refused change is refused as a whole.
func TestARefusedChangeChangesNothing(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	good := awsemu.AccessKey{ID: "AKIAGOOD", Secret: "s"}
	for _, change := range []awsemu.Change{
		{AccessKeys: []awsemu.AccessKey{good, {ID: ""}}},
		{AccessKeys: []awsemu.AccessKey{good}, Roles: []awsemu.Role{{ARN: "arn:aws:iam::1:role/x"}}},
	} {
		if err := e.admin.Configure(t.Context(), change); err == nil {
			t.Errorf("%+v was taken", change)
		}
	}
	if _, err := client(e.server, good, "eu-west-1").ListKeys(t.Context(), &kms.ListKeysInput{}); err == nil {
		t.Error("the access key of a refused change may list keys")
	}
}

func TestTheEndOfTheContextEndsTheServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := must(awsemu.Start(ctx, awsemu.Config{Now: time.Now}))(t)
	must(client(s, s.Credentials(), "eu-west-1").ListKeys(t.Context(), &kms.ListKeysInput{}))(t)
	cancel()
	_ = s.Close() // waits for the end that the context began
	if _, err := client(s, s.Credentials(), "eu-west-1").ListKeys(t.Context(), &kms.ListKeysInput{}); err == nil {
		t.Error("a closed server answers")
	}
}
