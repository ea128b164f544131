package awsemu_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
)

// in is the same emulator, asked in another region.
func (e *emulator) in(region string) *emulator {
	there := *e
	there.Client = client(e.server, e.server.Credentials(), region)
	return &there
}

// multiRegion makes a primary with this material, and replicas without.
func (e *emulator) multiRegion(material []byte, regions ...string) string {
	e.Helper()
	in := kms.CreateKeyInput{Origin: types.OriginTypeExternal, MultiRegion: aws.Bool(true)}
	key := *must(e.CreateKey(e.Context(), &in))(e.T).KeyMetadata.KeyId
	must(e.bring(key, material))(e.T)
	for _, region := range regions {
		must(e.replicate(key, region))(e.T)
	}
	return key
}

func (e *emulator) replicate(key, region string) (*kms.ReplicateKeyOutput, error) {
	return e.ReplicateKey(e.Context(), &kms.ReplicateKeyInput{KeyId: &key, ReplicaRegion: &region})
}

func (e *emulator) lead(key, region string) error {
	_, err := e.UpdatePrimaryRegion(e.Context(), &kms.UpdatePrimaryRegionInput{KeyId: &key, PrimaryRegion: &region})
	return err
}

// Rules 32 to 34.
func TestReplicasAreOfOneFamily(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.multiRegion(emutest.Random(32), "us-east-1")
	out := must(e.replicate(key, "eu-west-2"))(t)
	if m := out.ReplicaKeyMetadata; m.KeyState != types.KeyStateCreating || !strings.Contains(*m.Arn, ":eu-west-2:") || *m.KeyId != key || !strings.HasPrefix(key, "mrk-") {
		t.Errorf("made %+v", m)
	}
	for region, role := range map[string]types.MultiRegionKeyType{
		"eu-west-1": types.MultiRegionKeyTypePrimary, "eu-west-2": types.MultiRegionKeyTypeReplica, "us-east-1": types.MultiRegionKeyTypeReplica,
	} {
		c := e.in(region).describe(key).MultiRegionConfiguration
		if c.MultiRegionKeyType != role || *c.PrimaryKey.Region != "eu-west-1" || len(c.ReplicaKeys) != 2 ||
			*c.ReplicaKeys[0].Region != "eu-west-2" || *c.ReplicaKeys[1].Region != "us-east-1" {
			t.Errorf("%s: %+v", region, c)
		}
	}
	for region, code := range map[string]string{"eu-west-2": "AlreadyExistsException", "eu-west-1": "AlreadyExistsException", "nowhere": "ValidationException"} {
		_, err := e.replicate(key, region)
		refused(t, err, code)
	}
	_, err := e.in("us-east-1").replicate(key, "eu-north-1")
	refused(t, err, "UnsupportedOperationException")
	_, err = e.replicate(e.symmetric(), "eu-north-1")
	refused(t, err, "UnsupportedOperationException")
}

// Rule 35: a replica is as good as its primary once it has the same material.
func TestReplicaTakesItsPrimarysMaterialAlone(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	material := emutest.Random(32)
	key := e.multiRegion(material, "us-east-1")
	there := e.in("us-east-1")
	there.state(key, types.KeyStatePendingImport)
	_, err := there.bring(key, emutest.Random(32))
	refused(t, err, incorrect)
	_, err = there.bring(key, emutest.Random(32), as(types.ImportTypeNewKeyMaterial))
	refused(t, err, "UnsupportedOperationException")
	_, err = there.bring(key, material, func(in *kms.ImportKeyMaterialInput) {
		in.ImportToken = e.parameters(key, types.AlgorithmSpecRsaesOaepSha256).ImportToken
	})
	refused(t, err, "InvalidImportTokenException")
	must(there.bring(key, material))(t)
	there.state(key, types.KeyStateEnabled)
	sealed := must(e.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")}))(t)
	opened := must(there.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}))(t)
	if string(opened.Plaintext) != "x" || *opened.KeyMaterialId != *e.describe(key).CurrentKeyMaterialId {
		t.Errorf("opened %+v", opened)
	}
}

// Rule 36.
func TestNewMaterialGoesThroughEveryRegion(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	old, next := emutest.Random(32), emutest.Random(32)
	key := e.multiRegion(old, "us-east-1", "us-west-2")
	east, west := e.in("us-east-1"), e.in("us-west-2")
	for _, there := range []*emulator{east, west} {
		must(there.bring(key, old))(t)
	}
	must(e.bring(key, next, as(types.ImportTypeNewKeyMaterial)))(t)
	pending := func(want types.KeyMaterialState) {
		t.Helper()
		if all := e.materials(key, true); all[len(all)-1].KeyMaterialState != want {
			t.Errorf("the new material is %s, want %s", all[len(all)-1].KeyMaterialState, want)
		}
	}
	must(east.bring(key, next, as(types.ImportTypeExistingKeyMaterial)))(t)
	pending(types.KeyMaterialStatePendingMultiRegionImportAndRotation)
	refused(t, e.rotate(key), "KMSInvalidStateException")
	refused(t, e.lead(key, "us-east-1"), "KMSInvalidStateException")
	must(west.bring(key, next, as(types.ImportTypeExistingKeyMaterial)))(t)
	pending(types.KeyMaterialStatePendingRotation)
	refused(t, west.rotate(key), "UnsupportedOperationException")
	if err := e.rotate(key); err != nil {
		t.Fatal(err)
	}
	for _, there := range []*emulator{e, east, west} {
		if m := there.describe(key); m.KeyState != types.KeyStateEnabled || *m.CurrentKeyMaterialId != *e.describe(key).CurrentKeyMaterialId {
			t.Errorf("after the rotation %+v", m)
		}
		if got := there.materials(key, false); len(got) != 1 || got[0].KeyMaterialState != types.KeyMaterialStateCurrent {
			t.Errorf("rotations are %+v", got)
		}
	}
	must(e.replicate(key, "eu-west-3"))(t) // comes too late for the first material, and needs it still
	late := e.in("eu-west-3")
	must(late.bring(key, next))(t)
	late.state(key, types.KeyStatePendingImport)
	must(late.bring(key, old))(t)
	late.state(key, types.KeyStateEnabled)
}

// A replica that loses pending material while its primary rotates waits for it.
func TestRotationWhileAReplicaLosesItsMaterial(t *testing.T) {
	t.Parallel()
	e := start(t, awsemu.Config{Settings: awsemu.Settings{RotationDelay: faults.Seconds(60)}})
	old, next := emutest.Random(32), emutest.Random(32)
	key := e.multiRegion(old, "us-east-1")
	there := e.in("us-east-1")
	must(there.bring(key, old))(t)
	id := must(e.bring(key, next, as(types.ImportTypeNewKeyMaterial)))(t).KeyMaterialId
	must(there.bring(key, next))(t)
	if err := e.rotate(key); err != nil {
		t.Fatal(err)
	}
	refused(t, e.lead(key, "us-east-1"), "KMSInvalidStateException")
	must(there.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &key, KeyMaterialId: id}))(t)
	e.advance(time.Minute)
	e.state(key, types.KeyStateEnabled)
	there.state(key, types.KeyStatePendingImport)
	must(there.bring(key, next))(t)
	there.state(key, types.KeyStateEnabled)
}

// Rule 37.
func TestDeletionOfMaterialGoesDownAndNotUp(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	old, next := emutest.Random(32), emutest.Random(32)
	key := e.multiRegion(old, "us-east-1")
	there := e.in("us-east-1")
	must(there.bring(key, old, until(e.server.Now().Add(time.Hour))))(t)
	id := must(e.bring(key, next, as(types.ImportTypeNewKeyMaterial)))(t).KeyMaterialId
	must(there.bring(key, next))(t)
	remove := func(from *emulator) {
		must(from.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &key, KeyMaterialId: id}))(t)
	}
	remove(there)
	if len(e.materials(key, true)) != 2 || len(there.materials(key, true)) != 1 {
		t.Error("the replica's deletion was not its own")
	}
	must(there.bring(key, next))(t)
	remove(e)
	if len(e.materials(key, true)) != 1 || len(there.materials(key, true)) != 1 {
		t.Error("the primary's deletion was its own")
	}
	e.advance(time.Hour)
	e.state(key, types.KeyStateEnabled)
	there.state(key, types.KeyStatePendingImport)
}

// Rule 38.
func TestPrimaryMoves(t *testing.T) {
	t.Parallel()
	e := start(t, awsemu.Config{Settings: awsemu.Settings{ReplicationDelay: faults.Seconds(10)}})
	material := emutest.Random(32)
	key := e.multiRegion(material, "us-east-1")
	there := e.in("us-east-1")
	there.state(key, types.KeyStateCreating)
	_, err := there.GetParametersForImport(t.Context(), parametersInput(key))
	refused(t, err, "KMSInvalidStateException")
	refused(t, e.lead(key, "us-east-1"), "KMSInvalidStateException")
	e.advance(10 * time.Second)
	must(there.bring(key, material))(t)
	refused(t, e.lead(key, "us-west-1"), "NotFoundException")
	refused(t, e.lead(key, "eu-west-1"), "UnsupportedOperationException")
	refused(t, there.lead(key, "eu-west-1"), "UnsupportedOperationException")
	if err := e.lead(key, "us-east-1"); err != nil {
		t.Fatal(err)
	}
	for _, k := range []*emulator{e, there} {
		k.state(key, types.KeyStateUpdating)
		must(k.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")}))(t)
		_, err := k.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key})
		refused(t, err, "KMSInvalidStateException")
		must(k.TagResource(t.Context(), &kms.TagResourceInput{KeyId: &key, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}}))(t)
	}
	_, err = there.replicate(key, "eu-north-1")
	refused(t, err, "KMSInvalidStateException")
	e.advance(10 * time.Second)
	if c := e.describe(key).MultiRegionConfiguration; c.MultiRegionKeyType != types.MultiRegionKeyTypeReplica || *c.PrimaryKey.Region != "us-east-1" {
		t.Errorf("after the move %+v", c)
	}
	must(there.replicate(key, "eu-north-1"))(t)
	must(e.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}))(t)
	refused(t, there.lead(key, "eu-west-1"), "DisabledException")
}

// Rule 39.
func TestPrimaryOutlivesItsReplicas(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.multiRegion(emutest.Random(32), "us-east-1", "us-west-2")
	end := func(k *emulator, days int32) *kms.ScheduleKeyDeletionOutput {
		return must(k.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: &days}))(t)
	}
	if out := end(e, 7); out.KeyState != types.KeyStatePendingReplicaDeletion || out.DeletionDate != nil || *out.PendingWindowInDays != 7 {
		t.Errorf("scheduled %+v", out)
	}
	if m := e.describe(key); m.DeletionDate != nil || *m.PendingDeletionWindowInDays != 7 {
		t.Errorf("waits as %+v", m)
	}
	_, err := e.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
	refused(t, err, "KMSInvalidStateException")
	_, err = e.replicate(key, "eu-north-1")
	refused(t, err, "KMSInvalidStateException")
	end(e.in("us-east-1"), 7)
	end(e.in("us-west-2"), 10)
	e.advance(9 * 24 * time.Hour)
	e.state(key, types.KeyStatePendingReplicaDeletion)
	e.advance(2 * 24 * time.Hour)
	if m := e.describe(key); m.KeyState != types.KeyStatePendingDeletion || m.DeletionDate == nil || len(m.MultiRegionConfiguration.ReplicaKeys) != 0 {
		t.Errorf("without replicas %+v", m)
	}
	must(e.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &key}))(t)
	e.state(key, types.KeyStateDisabled)
	end(e, 7)
	e.advance(30 * 24 * time.Hour)
	_, err = e.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})
	refused(t, err, "NotFoundException")
}

// All ends fall into one jump of the clock, and come in their order.
func TestFamilyEndsInOneJump(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.multiRegion(emutest.Random(32), "us-east-1")
	for _, k := range []*emulator{e, e.in("us-east-1")} {
		must(k.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)}))(t)
	}
	e.advance(13 * 24 * time.Hour)
	e.state(key, types.KeyStatePendingDeletion)
	must(e.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &key}))(t)
	must(e.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)}))(t)
	e.advance(60 * 24 * time.Hour)
	if r := must(e.admin.Report(t.Context()))(t); len(r.Keys) != 0 {
		t.Errorf("left %+v", r.Keys)
	}
}

func TestMaterialOfTheCloudsOwnIsCopied(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	in := kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify, MultiRegion: aws.Bool(true)}
	key := *must(e.CreateKey(t.Context(), &in))(t).KeyMetadata.KeyId
	must(e.replicate(key, "us-east-1"))(t)
	public := func(k *emulator) []byte {
		return must(k.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key}))(t).PublicKey
	}
	if !slices.Equal(public(e), public(e.in("us-east-1"))) {
		t.Error("the replica is another key")
	}
}

// A primary without material is not replicated, but leniently; its replica waits for
// the primary then.
func TestReplicaBeforeTheFirstMaterial(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	in := kms.CreateKeyInput{Origin: types.OriginTypeExternal, MultiRegion: aws.Bool(true)}
	key := *must(e.CreateKey(t.Context(), &in))(t).KeyMetadata.KeyId
	_, err := e.replicate(key, "us-east-1")
	refused(t, err, "KMSInvalidStateException")
	e.configure(awsemu.Change{Settings: &awsemu.Settings{Lenient: true}})
	must(e.replicate(key, "us-east-1"))(t)
	material, there := emutest.Random(32), e.in("us-east-1")
	_, err = there.bring(key, material, as(types.ImportTypeExistingKeyMaterial))
	refused(t, err, incorrect)
	must(e.bring(key, material))(t)
	must(there.bring(key, material))(t)
	there.state(key, types.KeyStateEnabled)
}

func TestReportKnowsReplicas(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	material := emutest.Random(32)
	key := e.multiRegion(material, "us-east-1", "us-west-2")
	must(e.in("us-east-1").bring(key, material))(t)
	r := must(e.admin.Report(t.Context()))(t)
	primary := *e.describe(key).Arn
	versions := map[string]int{}
	for _, k := range r.Keys {
		versions[k.Region] = len(k.Versions)
		if want := map[bool]string{true: "", false: primary}[k.Ref == primary]; k.ReplicaOf != want {
			t.Errorf("%s is a replica of %q", k.Ref, k.ReplicaOf)
		}
	}
	if versions["eu-west-1"] != 1 || versions["us-east-1"] != 1 || versions["us-west-2"] != 0 || len(r.Twins) != 0 || len(r.Orphans) != 1 {
		t.Errorf("versions %v, twins %v, orphans %v", versions, r.Twins, r.Orphans)
	}
	if n := r.Names[""]; n.Keys != 3 || n.Replicas != 2 || n.Versions != 2 {
		t.Errorf("counted %+v", n)
	}
}

// Rule 41.
func TestReplicaCountsAsTwoNewKeysThere(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	first := e.multiRegion(emutest.Random(32))
	second, third := e.multiRegion(emutest.Random(32)), e.multiRegion(emutest.Random(32))
	e.configure(awsemu.Change{Settings: &awsemu.Settings{Quotas: true}})
	must(e.replicate(first, "us-east-1"))(t)
	must(e.replicate(second, "us-east-1"))(t)
	_, err := e.replicate(third, "us-east-1")
	refused(t, err, "ThrottlingException")
	must(e.replicate(third, "us-west-2"))(t)
}
