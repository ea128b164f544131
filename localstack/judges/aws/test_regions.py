"""Rules 32 to 41: keys of several Regions."""

import os

import pairs
import pytest
import wrap
from cloud import OAEP, Cloud
from family import EAST, HOME, WEST, Family


def test_primary_is_marked(cloud):
    found = cloud.describe(cloud.key(MultiRegion=True))
    assert found["KeyId"].startswith("mrk-") and len(found["KeyId"]) == 36 and found["MultiRegion"]
    assert found["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "PRIMARY", "PrimaryKey": {"Arn": found["Arn"], "Region": HOME}, "ReplicaKeys": [],
    }


def test_key_of_one_region_is_not_marked(cloud):
    found = cloud.describe(cloud.key())
    assert found["MultiRegion"] is False and "MultiRegionConfiguration" not in found and not found["KeyId"].startswith("mrk-")


def test_key_of_one_region_is_not_replicated(cloud, refused):
    with refused():
        cloud.kms.replicate_key(KeyId=cloud.symmetric()[0], ReplicaRegion=EAST)


def test_every_key_lists_all(at):
    family = Family(at, EAST, WEST)
    assert family.relations(family.home) == ("PRIMARY", HOME, [EAST, WEST])
    for cloud in family.there:
        assert family.relations(cloud) == ("REPLICA", HOME, [EAST, WEST])
        arn = cloud.describe(family.key)["Arn"]
        assert arn in [k["Arn"] for k in family.home.describe(family.key)["MultiRegionConfiguration"]["ReplicaKeys"]]


@pytest.mark.parametrize(("spec", "usage"), [("HMAC_256", "GENERATE_VERIFY_MAC"), ("ECC_NIST_P256", "KEY_AGREEMENT"), ("RSA_2048", "ENCRYPT_DECRYPT")])
def test_replica_is_the_same_key(cloud, at, spec, usage):
    key = cloud.key(spec, KeyUsage=usage, MultiRegion=True, Origin="AWS_KMS")
    cloud.kms.replicate_key(KeyId=key, ReplicaRegion=EAST)
    one, other = cloud.describe(key), at(EAST).describe(key)
    for shared in ("KeyId", "KeySpec", "KeyUsage", "Origin", "MultiRegion"):
        assert one[shared] == other[shared], shared
    assert other["Arn"] == one["Arn"].replace(HOME, EAST)


def test_each_key_has_its_own(at):
    family = Family(at)
    tags = [{"TagKey": "where", "TagValue": "east"}]
    made = family.home.kms.replicate_key(KeyId=family.key, ReplicaRegion=EAST, Tags=tags, Description="the eastern one")
    there, home = at(EAST), family.home
    assert made["ReplicaTags"] == tags and made["ReplicaPolicy"] == there.kms.get_key_policy(KeyId=family.key)["Policy"]
    assert there.describe(family.key)["Description"] == "the eastern one" and home.describe(family.key)["Description"] == ""
    assert there.kms.list_resource_tags(KeyId=family.key)["Tags"] == tags
    assert home.kms.list_resource_tags(KeyId=family.key)["Tags"] == []
    there.kms.create_alias(AliasName="alias/here", TargetKeyId=family.key)
    assert home.kms.list_aliases(KeyId=family.key)["Aliases"] == []
    home.kms.disable_key(KeyId=family.key)
    family.put(there)
    assert (home.state(family.key), there.state(family.key)) == ("Disabled", "Enabled")


@pytest.mark.parametrize("region", [HOME, EAST])
def test_one_key_a_region(at, refused, region):
    family = Family(at, EAST)
    with refused():
        family.replica(at, region)


def test_only_a_primary_is_replicated(at, refused):
    family = Family(at, EAST).filled()
    with refused():
        family.there[0].kms.replicate_key(KeyId=family.key, ReplicaRegion=WEST)


def test_disabled_primary_is_not_replicated(at, refused):
    family = Family(at)
    family.home.kms.disable_key(KeyId=family.key)
    with refused():
        family.replica(at, EAST)


def test_primary_without_material_is_not_replicated(cloud, refused):
    with refused():
        cloud.kms.replicate_key(KeyId=cloud.key(MultiRegion=True), ReplicaRegion=EAST)


def test_primary_without_material_leniently(cloud, admin, at):
    admin.settings(lenient=True)
    key = cloud.key(MultiRegion=True)
    cloud.kms.replicate_key(KeyId=key, ReplicaRegion=EAST)
    material, there = os.urandom(32), at(EAST)
    cloud.put(key, material)
    there.put(key, material)
    assert there.state(key) == "Enabled"


def test_replica_has_the_clouds_own_material(cloud, at):
    key = cloud.key(MultiRegion=True, Origin="AWS_KMS")
    made = cloud.kms.replicate_key(KeyId=key, ReplicaRegion=EAST)["ReplicaKeyMetadata"]
    assert made["KeyState"] == "Creating" and not made["Enabled"]
    assert at(EAST).state(key) == "Enabled"
    assert at(EAST).kms.decrypt(CiphertextBlob=cloud.encrypt(key))["Plaintext"] == b"a challenge"


@pytest.mark.parametrize("spec", ["SYMMETRIC_DEFAULT", "HMAC_256", "ECC_NIST_P256", "RSA_2048"])
def test_replica_of_an_external_key_waits(at, spec):
    material = os.urandom(32) if spec in ("SYMMETRIC_DEFAULT", "HMAC_256") else pairs.pkcs8(pairs.generate(spec))
    family = Family(at, EAST, spec=spec, material=material)
    there = family.there[0]
    assert there.state(family.key) == "PendingImport" and not there.describe(family.key)["Enabled"]
    family.put(there)
    assert there.state(family.key) == "Enabled"


def test_replica_is_of_no_use_while_it_is_created(cloud, at, admin, refused):
    admin.settings(replication_delay=10)
    key = cloud.key(MultiRegion=True, Origin="AWS_KMS")
    cloud.kms.replicate_key(KeyId=key, ReplicaRegion=EAST)
    there = at(EAST)
    with refused():
        there.encrypt(key)
    there.kms.create_alias(AliasName="alias/new", TargetKeyId=key)
    admin.advance(seconds=11)
    there.encrypt(key)


def test_replica_takes_the_same_material(at):
    family = Family(at, EAST)
    first = family.home.describe(family.key)["CurrentKeyMaterialId"]
    assert family.put(family.there[0])["KeyMaterialId"] == first
    assert family.there[0].describe(family.key)["CurrentKeyMaterialId"] == first


@pytest.mark.parametrize("after", [False, True])
def test_replica_takes_no_other_material(at, refused, after):
    family = Family(at, EAST)
    if after:
        family.filled()
    with refused():
        family.put(family.there[0], os.urandom(32))


def test_replica_takes_no_new_material(at, refused):
    family = Family(at, EAST).filled()
    with refused():
        family.put(family.there[0], os.urandom(32), ImportType="NEW_KEY_MATERIAL")


def test_parameters_are_of_a_region(at, refused):
    family = Family(at, EAST)
    params = family.home.params(family.key)
    with refused():
        family.there[0].put_wrapped(family.key, params, bytes(256))


@pytest.mark.fresh
def test_wrapping_key_of_another_region(at, refused):
    family = Family(at, EAST)
    here, there = family.home.params(family.key), family.there[0].params(family.key)
    with refused():
        family.there[0].put_wrapped(family.key, there, wrap.cryptography(here["PublicKey"], OAEP, family.material))
