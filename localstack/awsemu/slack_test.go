package awsemu_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Rule 28, by reads.
func TestChangesAreHiddenForReads(t *testing.T) {
	t.Parallel()
	e := start(t, awsemu.Config{Settings: awsemu.Settings{HiddenReads: 2}})
	key := e.symmetric()
	describe := func(id string) error {
		_, err := e.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id})
		return err
	}
	for range 2 {
		refused(t, describe(key), "NotFoundException")
	}
	e.state(key, types.KeyStatePendingImport)

	if err := e.alias("alias/x", key); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n := len(must(e.ListAliases(t.Context(), &kms.ListAliasesInput{}))(t).Aliases); n != 0 {
			t.Errorf("%d aliases seen early", n)
		}
	}
	if err := describe("alias/x"); err != nil {
		t.Error(err)
	}

	must(e.TagResource(t.Context(), &kms.TagResourceInput{KeyId: &key, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}}))(t)
	for want := range []int{0, 0, 1} {
		tags := must(e.ListResourceTags(t.Context(), &kms.ListResourceTagsInput{KeyId: &key}))(t).Tags
		if seen := len(tags) == 1; seen != (want == 2) {
			t.Errorf("read %d: tags %v", want+1, tags)
		}
	}

	must(e.bring(key, emutest.Random(32)))(t)
	for range 2 {
		e.state(key, types.KeyStatePendingImport)
	}
	e.state(key, types.KeyStateEnabled)
}

// Rule 28, by time.
func TestChangesAreHiddenForATime(t *testing.T) {
	t.Parallel()
	e := start(t, awsemu.Config{Settings: awsemu.Settings{HiddenFor: 60}})
	e.symmetric()
	count := func() int { return len(must(e.ListKeys(t.Context(), &kms.ListKeysInput{}))(t).Keys) }
	if count() != 0 {
		t.Error("a new key is seen at once")
	}
	e.advance(time.Minute)
	if count() != 1 {
		t.Error("a key is not seen after its time")
	}
}

// Rule 29.
func TestQuotasThrottle(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.symmetric()
	// A frozen second would need a frozen machine: rates this low do not refill during the test.
	slow := map[string]float64{"GetParametersForImport": 0.001, "DescribeKey": 0.002}
	e.configure(awsemu.Change{Settings: &awsemu.Settings{Quotas: true, Rates: slow}})
	get := func() error {
		_, err := e.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{
			KeyId: &key, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
		})
		return err
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	refused(t, get(), "ThrottlingException")
	e.advance(1001 * time.Second)
	if err := get(); err != nil {
		t.Errorf("after its time: %v", err)
	}
	refused(t, get(), "ThrottlingException")
	e.state(key, types.KeyStatePendingImport)

	elsewhere := client(e.server, e.server.Credentials(), "us-east-1")
	_, err := elsewhere.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})
	refused(t, err, "NotFoundException") // another region has its own quota
}

// The rates that matter most are those of the Developer Guide's page of 2026.
func TestStandardRates(t *testing.T) {
	t.Parallel()
	rates := awsemu.Rates()
	for name, want := range map[string]float64{
		"CreateKey": 5, "GetParametersForImport": 1, "ImportKeyMaterial": 15, "RotateKeyOnDemand": 5, "DescribeKey": 2000, "ListKeys": 500, "TagResource": 10,
	} {
		if rates[name] != want {
			t.Errorf("%s: %g a second, want %g", name, rates[name], want)
		}
	}
}

// What is not allowed is denied by its name, where anything is allowed by name.
func TestAllowedAloneIsAllowed(t *testing.T) {
	t.Parallel()
	role := awsemu.Role{ARN: "arn:aws:iam::" + awsemu.DefaultAccount + ":role/least", Allow: []string{"kms:List*"}}
	e := start(t, awsemu.Config{Roles: []awsemu.Role{role}})
	main := e.server.Credentials()
	e.configure(awsemu.Change{AccessKeys: []awsemu.AccessKey{{ID: main.ID, Allow: []string{"kms:CreateKey", "kms:Get*", "DescribeKey"}, Deny: []string{"kms:GetPublicKey"}}}})
	key := *must(e.CreateKey(t.Context(), &kms.CreateKeyInput{Origin: types.OriginTypeExternal}))(t).KeyMetadata.KeyId
	e.describe(key)
	must(e.GetParametersForImport(t.Context(), parametersInput(key)))(t)
	for action, err := range map[string]error{
		"kms:ListKeys":     errorOf(e.ListKeys(t.Context(), &kms.ListKeysInput{})),
		"kms:GetPublicKey": errorOf(e.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key})),
		"kms:TagResource":  errorOf(e.CreateKey(t.Context(), &kms.CreateKeyInput{Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})),
		"sts:AssumeRole":   errorOf(stsClient(e.server, main).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role.ARN, RoleSessionName: aws.String("ab")})),
	} {
		if err == nil || !strings.Contains(err.Error(), "AccessDenied") || !strings.Contains(err.Error(), "not authorized to perform: "+action+" ") {
			t.Errorf("%s: %v", action, err)
		}
	}
	e.configure(awsemu.Change{AccessKeys: []awsemu.AccessKey{{ID: main.ID, Allow: []string{"sts:AssumeRole"}}}})
	out := must(stsClient(e.server, main).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role.ARN, RoleSessionName: aws.String("ab")}))(t).Credentials
	e.Client = client(e.server, awsemu.AccessKey{ID: *out.AccessKeyId, Secret: *out.SecretAccessKey, Session: *out.SessionToken}, "eu-west-1")
	must(e.ListKeys(t.Context(), &kms.ListKeysInput{}))(t)
	_, err := e.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})
	refused(t, err, "AccessDeniedException")
	role.Allow = append(role.Allow, "kms:DescribeKey")
	e.configure(awsemu.Change{Roles: []awsemu.Role{role}})
	e.describe(key) // what a role may do, its sessions may
}

// A replica needs what a new key in its region needs.
func TestReplicaNeedsTwoPermissions(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.multiRegion(emutest.Random(32))
	e.configure(awsemu.Change{AccessKeys: []awsemu.AccessKey{{ID: e.server.Credentials().ID, Allow: []string{"kms:ReplicateKey"}}}})
	_, err := e.replicate(key, "us-east-1")
	if refused(t, err, "AccessDeniedException"); !strings.Contains(err.Error(), "kms:CreateKey") {
		t.Errorf("it does not name the permission: %v", err)
	}
}

// A primary needs what KMS needs to keep its replicas like it.
func TestPrimaryNeedsTwoPermissions(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	in := kms.CreateKeyInput{Origin: types.OriginTypeExternal, MultiRegion: aws.Bool(true)}
	for _, allowed := range [][]string{{"kms:*"}, {"kms:CreateKey", "iam:CreateServiceLinkedRole"}} {
		e.configure(awsemu.Change{AccessKeys: []awsemu.AccessKey{{ID: e.server.Credentials().ID, Allow: allowed}}})
		_, err := e.CreateKey(t.Context(), &in)
		if (err == nil) != (len(allowed) == 2) || err != nil && !strings.Contains(err.Error(), "iam:CreateServiceLinkedRole") {
			t.Errorf("allowed %v: %v", allowed, err)
		}
	}
	e.configure(awsemu.Change{AccessKeys: []awsemu.AccessKey{{ID: e.server.Credentials().ID, Allow: []string{"kms:CreateKey"}}}})
	must(e.CreateKey(t.Context(), &kms.CreateKeyInput{Origin: types.OriginTypeExternal}))(t)
}

func errorOf[T any](_ T, err error) error { return err }

func TestPermissionsByAccessKey(t *testing.T) {
	t.Parallel()
	c := defaults()
	c.AccessKeys = []awsemu.AccessKey{
		{ID: "AKIANOIMPORT", Secret: "one", Deny: []string{"kms:ImportKeyMaterial", "TagResource"}},
		{ID: "AKIANOTHING", Secret: "two", Deny: []string{"kms:*"}},
		{ID: "AKIAENDED", Secret: "three", ExpiresAt: time.Now().Add(-time.Second)},
		{ID: "AKIAOTHER", Secret: "four", Account: "111122223333"},
	}
	e := start(t, c)
	with := func(id, secret string) *kms.Client {
		return client(e.server, awsemu.AccessKey{ID: id, Secret: secret}, "eu-west-1")
	}
	e.Client = with("AKIANOIMPORT", "one")
	key := e.symmetric()
	_, err := e.bring(key, emutest.Random(32))
	refused(t, err, "AccessDeniedException")
	_, err = e.CreateKey(t.Context(), &kms.CreateKeyInput{Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})
	refused(t, err, "AccessDeniedException")
	list := func(c *kms.Client) error { _, err := c.ListKeys(t.Context(), &kms.ListKeysInput{}); return err }
	refused(t, list(with("AKIANOTHING", "two")), "AccessDeniedException")
	refused(t, list(with("AKIAENDED", "three")), "ExpiredTokenException")
	refused(t, list(with("AKIAUNKNOWN", "five")), "UnrecognizedClientException")
	_, err = with("AKIAOTHER", "four").DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})
	refused(t, err, "NotFoundException")

	main := e.server.Credentials()
	e.configure(awsemu.Change{AccessKeys: []awsemu.AccessKey{{ID: main.ID, Deny: []string{"kms:ListKeys"}}}})
	refused(t, list(client(e.server, main, "eu-west-1")), "AccessDeniedException")
	e.configure(awsemu.Change{AccessKeys: []awsemu.AccessKey{{ID: main.ID, ExpiresAt: time.Now().Add(time.Hour)}}})
	e.Client = client(e.server, main, "eu-west-1")
	if err := list(e.Client); err != nil {
		t.Error(err)
	}
	e.advance(2 * time.Hour)
	refused(t, list(e.Client), "ExpiredTokenException")
}

func TestFaultsReachTheCallsTheyName(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	add := func(r faults.Rule) {
		r.Match.Key = "payroll"
		must(e.admin.Add(t.Context(), r))(t)
	}
	create := func() (*kms.CreateKeyOutput, error) {
		return e.CreateKey(t.Context(), &kms.CreateKeyInput{
			Origin: types.OriginTypeExternal, Tags: []types.Tag{{TagKey: aws.String(awsemu.DefaultKeyNameTag), TagValue: aws.String("payroll")}},
		})
	}
	add(faults.Rule{Kind: faults.Drop, When: faults.After, Match: faults.Match{Action: "CreateKey"}})
	if _, err := create(); err == nil {
		t.Error("the answer was not lost")
	}
	key := *must(create())(t).KeyMetadata.KeyId
	if n := must(e.admin.Report(t.Context()))(t).Names["payroll"]; n.Keys != 2 || n.Orphans != 2 {
		t.Errorf("payroll is %+v", n)
	}
	e.symmetric()
	for kind, code := range map[faults.Kind]string{
		faults.Throttle: "ThrottlingException", faults.Deny: "AccessDeniedException", faults.Expire: "ExpiredTokenException",
		faults.Fail: "DependencyTimeoutException",
	} {
		add(faults.Rule{Kind: kind, Code: "DependencyTimeoutException", Match: faults.Match{Action: "DescribeKey"}})
		_, err := e.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})
		refused(t, err, code)
	}
	calls := must(e.admin.Calls(t.Context(), faults.CallQuery{Match: faults.Match{Key: "payroll", Action: "DescribeKey"}}))(t)
	if len(calls) != 4 || calls[0].AccessKey != e.server.Credentials().ID || calls[0].KeyID != key || calls[0].Region != "eu-west-1" {
		t.Errorf("calls are %+v", calls)
	}
	for _, c := range calls {
		if want := map[bool]int{true: 500, false: 400}[c.Status == 500]; c.Status != want {
			t.Errorf("status %d", c.Status)
		}
	}
}

func TestImportHeldAndLate(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key, material := e.symmetric(), emutest.Random(32)
	id := must(e.admin.Add(t.Context(), faults.Rule{Kind: faults.Late, After: 3600, Clock: faults.Emulator, Match: faults.Match{Action: "ImportKeyMaterial"}}))(t)
	if _, err := e.bring(key, material); err == nil {
		t.Fatal("the answer was not lost")
	}
	e.state(key, types.KeyStatePendingImport)
	// An hour later the signature would be too old: it was checked when the call arrived.
	e.advance(time.Hour)
	must(e.admin.Wait(t.Context(), faults.CallQuery{Fault: id, Committed: true}))(t)
	e.state(key, types.KeyStateEnabled)
	must(e.bring(key, material))(t)
}
