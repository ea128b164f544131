package awsemu_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

func stsClient(s *awsemu.Server, k awsemu.AccessKey) *sts.Client {
	return sts.New(sts.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(s.URL()), RetryMaxAttempts: 1, HTTPSignerV4: clocked{s},
		Credentials: credentials.NewStaticCredentialsProvider(k.ID, k.Secret, k.Session),
	})
}

const account2 = "111122223333"

func withRoles() awsemu.Config {
	return awsemu.Config{
		Roles: []awsemu.Role{
			{ARN: "arn:aws:iam::" + account2 + ":role/path/importer", ExternalID: "x-1", Deny: []string{"kms:DisableKey"}},
			{ARN: "arn:aws:iam::" + awsemu.DefaultAccount + ":role/open"},
		},
		AccessKeys: []awsemu.AccessKey{{ID: "AKIANOROLE", Secret: "s", Deny: []string{"sts:*"}}},
	}
}

func TestCallerIdentity(t *testing.T) {
	t.Parallel()
	e := start(t, withRoles())
	out := must(stsClient(e.server, e.server.Credentials()).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	if *out.Account != awsemu.DefaultAccount || *out.Arn != "arn:aws:iam::"+awsemu.DefaultAccount+":user/tester" || *out.UserId == "" {
		t.Errorf("%+v", out)
	}
	// It cannot be denied.
	must(stsClient(e.server, awsemu.AccessKey{ID: "AKIANOROLE", Secret: "s"}).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	_, err := stsClient(e.server, awsemu.AccessKey{ID: "AKIAX", Secret: "s"}).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refused(t, err, "InvalidClientTokenId")
	_, err = stsClient(e.server, awsemu.AccessKey{ID: "AKIANOROLE", Secret: "t"}).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refused(t, err, "SignatureDoesNotMatch")
}

func TestAssumedRole(t *testing.T) {
	t.Parallel()
	e := start(t, withRoles())
	in := sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + account2 + ":role/path/importer"), RoleSessionName: aws.String("night-run"),
		ExternalId: aws.String("x-1"), DurationSeconds: aws.Int32(900),
	}
	out := must(stsClient(e.server, e.server.Credentials()).AssumeRole(t.Context(), &in))(t)
	if left := out.Credentials.Expiration.Sub(e.server.Now()); left > 15*time.Minute || left < 14*time.Minute {
		t.Errorf("for %v", left)
	}
	session := awsemu.AccessKey{ID: *out.Credentials.AccessKeyId, Secret: *out.Credentials.SecretAccessKey, Session: *out.Credentials.SessionToken}
	who := must(stsClient(e.server, session).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	if *who.Arn != "arn:aws:sts::"+account2+":assumed-role/importer/night-run" || *who.Account != account2 || *who.Arn != *out.AssumedRoleUser.Arn {
		t.Errorf("%+v", who)
	}
	e.Client = client(e.server, session, "eu-west-1")
	key := must(e.CreateKey(t.Context(), &kms.CreateKeyInput{Policy: aws.String(policy(*in.RoleArn, "kms:*"))}))(t).KeyMetadata
	if *key.AWSAccountId != account2 {
		t.Errorf("the key is of %s", *key.AWSAccountId)
	}
	_, err := e.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: key.KeyId})
	refused(t, err, "AccessDeniedException")
	e.advance(16 * time.Minute)
	_, err = e.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: key.KeyId})
	refused(t, err, "ExpiredTokenException")
	_, err = stsClient(e.server, session).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refused(t, err, "ExpiredToken")
	session.Session = "other"
	_, err = client(e.server, session, "eu-west-1").ListKeys(t.Context(), &kms.ListKeysInput{})
	refused(t, err, "UnrecognizedClientException")
}

func TestAssumeRoleRefuses(t *testing.T) {
	t.Parallel()
	e := start(t, withRoles())
	main := e.server.Credentials()
	guarded, open := aws.String("arn:aws:iam::"+account2+":role/path/importer"), aws.String("arn:aws:iam::"+awsemu.DefaultAccount+":role/open")
	name := aws.String("session")
	for what, tt := range map[string]struct {
		key  awsemu.AccessKey
		in   sts.AssumeRoleInput
		code string
	}{
		"no external id":    {main, sts.AssumeRoleInput{RoleArn: guarded, RoleSessionName: name}, "AccessDenied"},
		"other external id": {main, sts.AssumeRoleInput{RoleArn: guarded, RoleSessionName: name, ExternalId: aws.String("x-2")}, "AccessDenied"},
		"unknown role":      {main, sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/x"), RoleSessionName: name}, "AccessDenied"},
		"denied":            {awsemu.AccessKey{ID: "AKIANOROLE", Secret: "s"}, sts.AssumeRoleInput{RoleArn: open, RoleSessionName: name}, "AccessDenied"},
		"too short":         {main, sts.AssumeRoleInput{RoleArn: open, RoleSessionName: name, DurationSeconds: aws.Int32(899)}, "ValidationError"},
		"session name":      {main, sts.AssumeRoleInput{RoleArn: open, RoleSessionName: aws.String("a b")}, "ValidationError"},
		"session policy":    {main, sts.AssumeRoleInput{RoleArn: open, RoleSessionName: name, Policy: aws.String("{}")}, "ValidationError"},
	} {
		_, err := stsClient(e.server, tt.key).AssumeRole(t.Context(), &tt.in)
		t.Run(what, func(t *testing.T) { refused(t, err, tt.code) })
	}
	must(stsClient(e.server, main).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: open, RoleSessionName: name}))(t)
	_, err := stsClient(e.server, main).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	refused(t, err, "InvalidAction")
}

func TestFaultsSpeakSTS(t *testing.T) {
	t.Parallel()
	e := start(t, withRoles())
	for kind, code := range map[faults.Kind]string{faults.Deny: "AccessDenied", faults.Throttle: "Throttling", faults.Expire: "ExpiredToken"} {
		must(e.admin.Add(t.Context(), faults.Rule{Kind: kind, Match: faults.Match{Service: "sts", Action: "GetCallerIdentity"}}))(t)
		_, err := stsClient(e.server, e.server.Credentials()).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		refused(t, err, code)
		if kind == faults.Deny && !strings.Contains(err.Error(), "to perform: sts:GetCallerIdentity ") {
			t.Errorf("the permission is not STS's: %v", err)
		}
	}
	e.create(types.KeySpecSymmetricDefault, "")
}
