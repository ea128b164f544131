package awsemu_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

func (e *emulator) rotate(key string) error {
	_, err := e.RotateKeyOnDemand(e.Context(), &kms.RotateKeyOnDemandInput{KeyId: &key})
	return err
}

func (e *emulator) materials(key string, all bool) []types.RotationsListEntry {
	e.Helper()
	in := &kms.ListKeyRotationsInput{KeyId: &key}
	if all {
		in.IncludeKeyMaterial = types.IncludeKeyMaterialAllKeyMaterial
	}
	return must(e.ListKeyRotations(e.Context(), in))(e.T).Rotations
}

// Rules 20, 22 and 23.
func TestRotationInPlace(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.symmetric()
	one, two := emutest.Random(32), emutest.Random(32)
	refused(t, e.rotate(key), "KMSInvalidStateException")
	first := must(e.bring(key, one))(t)
	refused(t, e.rotate(key), "KMSInvalidStateException")
	old := must(e.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("old")}))(t)

	second := must(e.bring(key, two, as(types.ImportTypeNewKeyMaterial), func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialDescription = aws.String("op:1") }))(t)
	if *e.describe(key).CurrentKeyMaterialId != *first.KeyMaterialId || len(e.materials(key, false)) != 0 {
		t.Error("new material took effect before the rotation")
	}
	if all := e.materials(key, true); len(all) != 2 || all[1].KeyMaterialState != types.KeyMaterialStatePendingRotation ||
		*all[1].KeyMaterialDescription != "op:1" || all[1].RotationDate != nil {
		t.Errorf("materials are %+v", all)
	}
	_, err := e.bring(key, emutest.Random(32), as(types.ImportTypeNewKeyMaterial))
	refused(t, err, "KMSInvalidStateException")
	_, err = e.bring(key, two, as(types.ImportTypeNewKeyMaterial))
	refused(t, err, incorrect)

	if err := e.rotate(key); err != nil {
		t.Fatal(err)
	}
	if *e.describe(key).CurrentKeyMaterialId != *second.KeyMaterialId {
		t.Error("the rotation did not make the new material current")
	}
	if done := e.materials(key, false); len(done) != 1 || done[0].RotationType != types.RotationTypeOnDemand || done[0].RotationDate == nil ||
		done[0].ImportState != types.ImportStateImported || done[0].KeyMaterialState != types.KeyMaterialStateCurrent {
		t.Errorf("rotations are %+v", done)
	}
	plain := must(e.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: old.CiphertextBlob}))(t)
	if string(plain.Plaintext) != "old" || *plain.KeyMaterialId != *first.KeyMaterialId {
		t.Errorf("the old ciphertext gave %q by %s", plain.Plaintext, *plain.KeyMaterialId)
	}

	must(e.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &key, KeyMaterialId: first.KeyMaterialId}))(t)
	e.state(key, types.KeyStatePendingImport)
	_, err = e.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
	refused(t, err, "KMSInvalidStateException")
	must(e.bring(key, two))(t) // the other one is not enough
	e.state(key, types.KeyStatePendingImport)
	must(e.bring(key, one))(t)
	e.state(key, types.KeyStateEnabled)
}

// Rule 21.
func TestEarliestEndCountsAndEndsTheKey(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.symmetric()
	now := e.server.Now()
	one, two := emutest.Random(32), emutest.Random(32)
	must(e.bring(key, one, until(now.Add(3*time.Hour))))(t)
	must(e.bring(key, two, as(types.ImportTypeNewKeyMaterial), until(now.Add(2*time.Hour))))(t)
	within := func(want time.Time) {
		t.Helper()
		m := e.describe(key)
		if m.ExpirationModel != types.ExpirationModelTypeKeyMaterialExpires || m.ValidTo.Sub(want).Abs() > time.Second {
			t.Errorf("%s valid to %v, want %v", m.ExpirationModel, m.ValidTo, want)
		}
	}
	within(now.Add(3 * time.Hour))
	if err := e.rotate(key); err != nil {
		t.Fatal(err)
	}
	within(now.Add(2 * time.Hour))
	must(e.bring(key, two))(t) // an end is changed by importing again
	within(now.Add(3 * time.Hour))
	e.advance(3 * time.Hour)
	e.state(key, types.KeyStatePendingImport)
	must(e.bring(key, one, until(e.server.Now().Add(time.Hour))))(t)
	e.state(key, types.KeyStateEnabled)
}

func TestPendingMaterialCanEndAlone(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.symmetric()
	must(e.bring(key, emutest.Random(32)))(t)
	pending := must(e.bring(key, emutest.Random(32), as(types.ImportTypeNewKeyMaterial)))(t)
	must(e.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &key, KeyMaterialId: pending.KeyMaterialId}))(t)
	e.state(key, types.KeyStateEnabled)
	must(e.bring(key, emutest.Random(32), as(types.ImportTypeNewKeyMaterial), until(e.server.Now().Add(time.Hour))))(t)
	e.advance(2 * time.Hour)
	e.state(key, types.KeyStateEnabled)
	if all := e.materials(key, true); len(all) != 1 {
		t.Errorf("%d materials are left, want 1", len(all))
	}
}

// Rule 22.
func TestRotationsTakeTheirTimeAndAreCounted(t *testing.T) {
	t.Parallel()
	e := start(t, awsemu.Config{Settings: awsemu.Settings{RotationDelay: 60}})
	key := e.symmetric()
	must(e.bring(key, emutest.Random(32)))(t)
	for i := range 25 {
		second := must(e.bring(key, emutest.Random(32), as(types.ImportTypeNewKeyMaterial)))(t)
		if err := e.rotate(key); err != nil {
			t.Fatalf("rotation %d: %v", i+1, err)
		}
		if *e.describe(key).CurrentKeyMaterialId == *second.KeyMaterialId {
			t.Error("the rotation did not take its time")
		}
		refused(t, e.rotate(key), "ConflictException")
		e.advance(time.Minute)
		if *e.describe(key).CurrentKeyMaterialId != *second.KeyMaterialId {
			t.Error("the rotation did not end")
		}
	}
	must(e.bring(key, emutest.Random(32), as(types.ImportTypeNewKeyMaterial)))(t)
	refused(t, e.rotate(key), "LimitExceededException")
	page := must(e.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &key, Limit: aws.Int32(10)}))(t)
	seen := len(page.Rotations)
	for page.Truncated {
		page = must(e.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &key, Limit: aws.Int32(10), Marker: page.NextMarker}))(t)
		seen += len(page.Rotations)
	}
	if seen != 25 {
		t.Errorf("%d rotations listed", seen)
	}
}

func TestOnlySymmetricKeysRotate(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	mac := e.create(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac)
	must(e.bring(mac, emutest.Random(32)))(t)
	refused(t, e.rotate(mac), "UnsupportedOperationException")
	_, err := e.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &mac})
	refused(t, err, "UnsupportedOperationException")
	key := e.symmetric()
	_, err = e.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &key, IncludeKeyMaterial: "SOME"})
	refused(t, err, "ValidationException")
	must(e.bring(key, emutest.Random(32)))(t)
	must(e.bring(key, emutest.Random(32), as(types.ImportTypeNewKeyMaterial)))(t)
	must(e.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}))(t)
	refused(t, e.rotate(key), "DisabledException")
}

// Rules 24 and 25.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.symmetric()
	enable := func() error { _, err := e.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &key}); return err }
	disable := func() error { _, err := e.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}); return err }
	cancel := func() error {
		_, err := e.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &key})
		return err
	}
	const wrongState = "KMSInvalidStateException"
	refused(t, enable(), wrongState)
	refused(t, disable(), wrongState)
	refused(t, cancel(), wrongState)
	must(e.bring(key, emutest.Random(32)))(t)
	for i, err := range []error{disable(), disable(), enable(), enable()} {
		if err != nil {
			t.Errorf("switch %d: %v", i, err)
		}
	}
	for _, days := range []int32{0, 6, 31} {
		_, err := e.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: &days})
		refused(t, err, "ValidationException")
	}
	name := "alias/doomed"
	must(e.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &key}))(t)
	out := must(e.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key}))(t)
	if *out.PendingWindowInDays != 30 || out.KeyState != types.KeyStatePendingDeletion || e.describe(key).DeletionDate == nil {
		t.Errorf("scheduled as %+v", out)
	}
	for i, err := range []error{enable(), disable()} {
		t.Run(fmt.Sprint(i), func(t *testing.T) { refused(t, err, wrongState) })
	}
	_, err := e.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key})
	refused(t, err, wrongState)
	_, err = e.TagResource(t.Context(), &kms.TagResourceInput{KeyId: &key, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})
	refused(t, err, wrongState)
	_, err = e.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
	refused(t, err, wrongState)
	if err := cancel(); err != nil {
		t.Fatal(err)
	}
	e.state(key, types.KeyStateDisabled)
	_, err = e.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
	refused(t, err, "DisabledException")

	must(e.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)}))(t)
	e.advance(7*24*time.Hour - time.Minute)
	e.state(key, types.KeyStatePendingDeletion)
	e.advance(time.Minute)
	_, err = e.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})
	refused(t, err, "NotFoundException")
	_, err = e.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &name})
	refused(t, err, "NotFoundException")
	if left := must(e.ListAliases(t.Context(), &kms.ListAliasesInput{}))(t).Aliases; len(left) != 0 {
		t.Errorf("%d aliases outlived their key", len(left))
	}
}

func TestCancelWithoutMaterial(t *testing.T) {
	t.Parallel()
	for lenient, want := range map[bool]types.KeyState{false: types.KeyStateDisabled, true: types.KeyStatePendingImport} {
		e := start(t, awsemu.Config{Settings: awsemu.Settings{Lenient: lenient}})
		key := e.symmetric()
		must(e.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key}))(t)
		must(e.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &key}))(t)
		e.state(key, want)
	}
}
