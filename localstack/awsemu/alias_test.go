package awsemu_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/localstack/awsemu"
)

func (e *emulator) alias(name, key string) error {
	_, err := e.CreateAlias(e.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &key})
	return err
}

func (e *emulator) move(name, key string) error {
	_, err := e.UpdateAlias(e.Context(), &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: &key})
	return err
}

// Rule 26.
func TestAliases(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	one, two := e.symmetric(), e.symmetric()
	mac := e.create(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac)
	signing := e.create(types.KeySpecRsa2048, types.KeyUsageTypeSignVerify)
	curve := e.create(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	opening := e.create(types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt)
	for name, code := range map[string]string{
		"x": "InvalidAliasNameException", "alias/": "InvalidAliasNameException", "alias/aws/x": "InvalidAliasNameException",
		"alias/x y": "ValidationException", "alias/" + strings.Repeat("x", 251): "ValidationException",
	} {
		refused(t, e.alias(name, one), code)
	}
	for _, name := range []string{"alias/a", "alias/s"} {
		if err := e.alias(name, map[string]string{"alias/a": one, "alias/s": signing}[name]); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, e.alias("alias/a", one), "AlreadyExistsException")
	refused(t, e.alias("alias/b", "no-such-key"), "NotFoundException")
	refused(t, e.move("alias/none", one), "NotFoundException")
	refused(t, e.move("alias/a", mac), "ValidationException")
	refused(t, e.move("alias/s", opening), "ValidationException")
	for name, key := range map[string]string{"alias/a": two, "alias/s": curve} {
		if err := e.move(name, key); err != nil {
			t.Errorf("move %s: %v", name, err)
		}
		if got := *e.describe(name).KeyId; got != key {
			t.Errorf("%s leads to %s, want %s", name, got, key)
		}
	}
	of := must(e.ListAliases(t.Context(), &kms.ListAliasesInput{KeyId: &two}))(t).Aliases
	if len(of) != 1 || *of[0].AliasName != "alias/a" || !strings.HasSuffix(*of[0].AliasArn, ":alias/a") || of[0].LastUpdatedDate == nil {
		t.Errorf("aliases of the key: %+v", of)
	}
	must(e.DeleteAlias(t.Context(), &kms.DeleteAliasInput{AliasName: aws.String("alias/a")}))(t)
	_, err := e.DeleteAlias(t.Context(), &kms.DeleteAliasInput{AliasName: aws.String("alias/a")})
	refused(t, err, "NotFoundException")
	_, err = e.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/a")})
	refused(t, err, "NotFoundException")
}

func TestAliasesAreFiftyAKeyAndByPlace(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key, other := e.symmetric(), e.symmetric()
	for i := range 50 {
		if err := e.alias(fmt.Sprint("alias/", i), key); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, e.alias("alias/50", key), "LimitExceededException")
	if err := e.alias("alias/50", other); err != nil {
		t.Fatal(err)
	}
	refused(t, e.move("alias/50", key), "LimitExceededException")
	e.Client = client(e.server, e.server.Credentials(), "us-east-1")
	if n := len(must(e.ListAliases(t.Context(), &kms.ListAliasesInput{}))(t).Aliases); n != 0 {
		t.Errorf("%d aliases in another region", n)
	}
	if err := e.alias("alias/0", e.symmetric()); err != nil {
		t.Error(err)
	}
}

// Rule 27.
func TestPagesAndMarkers(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	var made, listed []string
	for range 7 {
		made = append(made, e.symmetric())
	}
	for i := range 5 {
		if err := e.alias(fmt.Sprint("alias/", i), made[0]); err != nil {
			t.Fatal(err)
		}
	}
	pages := kms.NewListKeysPaginator(e.Client, &kms.ListKeysInput{Limit: aws.Int32(3)})
	for pages.HasMorePages() {
		for _, k := range must(pages.NextPage(t.Context()))(t).Keys {
			listed = append(listed, *k.KeyId)
		}
	}
	slices.Sort(made)
	if !slices.Equal(made, listed) {
		t.Errorf("listed %v, made %v", listed, made)
	}
	first := must(e.ListKeys(t.Context(), &kms.ListKeysInput{Limit: aws.Int32(1)}))(t)
	if !first.Truncated || first.NextMarker == nil || len(first.Keys) != 1 {
		t.Errorf("first page %+v", first)
	}
	_, err := e.ListKeys(t.Context(), &kms.ListKeysInput{Marker: aws.String("x")})
	refused(t, err, "InvalidMarkerException")
	_, err = e.ListAliases(t.Context(), &kms.ListAliasesInput{Marker: first.NextMarker})
	refused(t, err, "InvalidMarkerException")
	for _, limit := range []int32{0, 1001} {
		_, err = e.ListKeys(t.Context(), &kms.ListKeysInput{Limit: &limit})
		refused(t, err, "ValidationException")
	}
	_, err = e.ListAliases(t.Context(), &kms.ListAliasesInput{Limit: aws.Int32(101)})
	refused(t, err, "ValidationException")
	e.configure(awsemu.Change{Settings: &awsemu.Settings{PageSize: 2}})
	if short := must(e.ListAliases(t.Context(), &kms.ListAliasesInput{}))(t); len(short.Aliases) != 2 || !short.Truncated {
		t.Errorf("short page of %d", len(short.Aliases))
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.create(types.KeySpecSymmetricDefault, "", "a", "1", "b", "2")
	tag := func(k, v string) error {
		_, err := e.TagResource(t.Context(), &kms.TagResourceInput{KeyId: &key, Tags: []types.Tag{{TagKey: &k, TagValue: &v}}})
		return err
	}
	for k, v := range map[string]string{"b": "3", "c": "täg +-=._:/@"} {
		if err := tag(k, v); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, tag("AWS:x", ""), "TagException")
	must(e.UntagResource(t.Context(), &kms.UntagResourceInput{KeyId: &key, TagKeys: []string{"a", "none"}}))(t)
	got := map[string]string{}
	pages := kms.NewListResourceTagsPaginator(e.Client, &kms.ListResourceTagsInput{KeyId: &key, Limit: aws.Int32(1)})
	for pages.HasMorePages() {
		for _, t := range must(pages.NextPage(t.Context()))(t).Tags {
			got[*t.TagKey] = *t.TagValue
		}
	}
	if len(got) != 2 || got["b"] != "3" || got["c"] != "täg +-=._:/@" {
		t.Errorf("tags are %v", got)
	}
	_, err := e.ListResourceTags(t.Context(), &kms.ListResourceTagsInput{KeyId: &key, Limit: aws.Int32(51)})
	refused(t, err, "ValidationException")
}
