"""Rules 32 to 41: keys of several Regions."""

import os

import pairs
import pytest
import wrap
from cloud import KEY_WRAP, OAEP, Cloud

HOME, EAST, WEST = "eu-central-1", "us-east-1", "us-west-2"


@pytest.fixture
def at(connect, admin):
    """The cloud as a client of a Region sees it."""
    return lambda region: Cloud(connect(region), admin)


class Family:
    """An EXTERNAL primary with its first material, and replicas without."""

    def __init__(self, at, *regions, spec="SYMMETRIC_DEFAULT", material=None):
        self.home, self.material = at(HOME), material or os.urandom(32)
        self.key = self.home.key(spec, MultiRegion=True)
        self.put(self.home)
        self.there = [self.replica(at, region) for region in regions]

    def replica(self, at, region, **more):
        self.home.kms.replicate_key(KeyId=self.key, ReplicaRegion=region, **more)
        return at(region)

    def put(self, cloud, material=None, **more):
        material = material or self.material
        return cloud.put(self.key, material, **({} if len(material) == 32 else {"alg": KEY_WRAP}), **more)

    def filled(self):
        """The same with the first material in all Regions."""
        for cloud in self.there:
            self.put(cloud)
        return self

    def renewed(self, *clouds):
        """New material in the primary, and in these Regions."""
        new = os.urandom(32)
        made = self.put(self.home, new, ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
        for cloud in clouds:
            self.put(cloud, new, ImportType="EXISTING_KEY_MATERIAL")
        return new, made

    def relations(self, cloud):
        found = cloud.describe(self.key)["MultiRegionConfiguration"]
        return found["MultiRegionKeyType"], found["PrimaryKey"]["Region"], [k["Region"] for k in found["ReplicaKeys"]]


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


def test_new_material_goes_everywhere(at):
    family = Family(at, EAST, WEST).filled()
    old = family.home.encrypt(family.key)
    new, made = family.renewed(family.there[0])
    assert family.home.materials(family.key)[made] == "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
    family.put(family.there[1], new)
    assert family.home.materials(family.key)[made] == "PENDING_ROTATION"
    family.home.kms.rotate_key_on_demand(KeyId=family.key)
    for cloud in (family.home, *family.there):
        assert cloud.describe(family.key)["CurrentKeyMaterialId"] == made
        assert sorted(cloud.materials(family.key).values()) == ["CURRENT", "NON_CURRENT"]
        assert cloud.kms.decrypt(CiphertextBlob=old)["Plaintext"] == b"a challenge"


def test_no_rotation_before_all_have_it(at, refused):
    family = Family(at, EAST, WEST).filled()
    family.renewed(family.there[0])
    with refused():
        family.home.kms.rotate_key_on_demand(KeyId=family.key)


def test_no_rotation_of_a_replica(at, refused):
    family = Family(at, EAST).filled()
    family.renewed(*family.there)
    with refused():
        family.there[0].kms.rotate_key_on_demand(KeyId=family.key)


def test_later_replica_needs_every_material(at):
    family = Family(at)
    new, _ = family.renewed()
    family.home.kms.rotate_key_on_demand(KeyId=family.key)
    there = family.replica(at, EAST)
    family.put(there, new)
    assert there.state(family.key) == "PendingImport"
    family.put(there)
    assert there.state(family.key) == "Enabled"


def test_primary_alone_rotates_at_once(at):
    family = Family(at)
    _, made = family.renewed()
    assert family.home.materials(family.key)[made] == "PENDING_ROTATION"
    family.home.kms.rotate_key_on_demand(KeyId=family.key)
    assert family.home.describe(family.key)["CurrentKeyMaterialId"] == made


def test_pending_material_goes_from_all(at):
    family = Family(at, EAST).filled()
    _, made = family.renewed(*family.there)
    family.home.kms.delete_imported_key_material(KeyId=family.key, KeyMaterialId=made)
    for cloud in (family.home, *family.there):
        assert list(cloud.materials(family.key).values()) == ["CURRENT"]
        assert cloud.state(family.key) == "Enabled"


def test_deletion_in_a_replica_stays_there(at):
    family = Family(at, EAST, WEST).filled()
    family.there[0].kms.delete_imported_key_material(KeyId=family.key)
    states = [cloud.state(family.key) for cloud in (family.home, *family.there)]
    assert states == ["Enabled", "PendingImport", "Enabled"]


def test_end_in_a_replica_stays_there(at, admin):
    family = Family(at, EAST)
    there = family.there[0]
    there.put_until(family.key, family.material, there.in_days(2))
    assert "ValidTo" in there.describe(family.key) and "ValidTo" not in family.home.describe(family.key)
    admin.advance(days=3)
    assert (family.home.state(family.key), there.state(family.key)) == ("Enabled", "PendingImport")


def test_no_rotation_of_what_a_replica_lost(at, refused):
    family = Family(at, EAST).filled()
    _, made = family.renewed(*family.there)
    family.there[0].kms.delete_imported_key_material(KeyId=family.key, KeyMaterialId=made)
    assert family.home.materials(family.key)[made] == "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
    with refused():
        family.home.kms.rotate_key_on_demand(KeyId=family.key)


def test_roles_are_swapped(at):
    family = Family(at, EAST, WEST).filled()
    family.home.kms.update_primary_region(KeyId=family.key, PrimaryRegion=EAST)
    assert family.relations(family.home) == ("REPLICA", EAST, [HOME, WEST])
    assert family.relations(family.there[0]) == ("PRIMARY", EAST, [HOME, WEST])
    assert family.there[0].state(family.key) == "Enabled"
    family.there[0].kms.replicate_key(KeyId=family.key, ReplicaRegion="eu-west-1")


@pytest.fixture
def updating(at, admin):
    family = Family(at, EAST).filled()
    admin.settings(replication_delay=10)
    family.home.kms.update_primary_region(KeyId=family.key, PrimaryRegion=EAST)
    return family


def test_updating_keys_work(updating, admin):
    for cloud in (updating.home, *updating.there):
        assert cloud.state(updating.key) == "Updating"
        assert cloud.kms.decrypt(CiphertextBlob=cloud.encrypt(updating.key))["Plaintext"] == b"a challenge"
    admin.advance(seconds=11)
    for cloud in (updating.home, *updating.there):
        assert cloud.state(updating.key) == "Enabled"


@pytest.mark.parametrize("operation", ["enable_key", "disable_key", "replicate_key"])
def test_updating_keys_are_not_managed(updating, refused, operation):
    more = {"ReplicaRegion": WEST} if operation == "replicate_key" else {}
    with refused():
        getattr(updating.there[0].kms, operation)(KeyId=updating.key, **more)


def test_no_replica_there(at, refused):
    family = Family(at, EAST).filled()
    with refused():
        family.home.kms.update_primary_region(KeyId=family.key, PrimaryRegion=WEST)


def test_only_the_primary_hands_over(at, refused):
    family = Family(at, EAST).filled()
    with refused():
        family.there[0].kms.update_primary_region(KeyId=family.key, PrimaryRegion=EAST)


def test_replica_without_material_is_no_primary(at, refused):
    family = Family(at, EAST)
    with refused():
        family.home.kms.update_primary_region(KeyId=family.key, PrimaryRegion=EAST)


def test_primary_waits_for_its_replicas(at, admin):
    family = Family(at, EAST)
    home, there = family.home, family.there[0]
    made = home.kms.schedule_key_deletion(KeyId=family.key, PendingWindowInDays=8)
    assert made["KeyState"] == "PendingReplicaDeletion" and "DeletionDate" not in made and made["PendingWindowInDays"] == 8
    found = home.describe(family.key)
    assert found["PendingDeletionWindowInDays"] == 8 and "DeletionDate" not in found
    there.kms.schedule_key_deletion(KeyId=family.key, PendingWindowInDays=7)
    assert (home.state(family.key), there.state(family.key)) == ("PendingReplicaDeletion", "PendingDeletion")
    admin.advance(days=7, seconds=1)
    found = home.describe(family.key)
    assert found["KeyState"] == "PendingDeletion" and "PendingDeletionWindowInDays" not in found
    assert 7 <= (found["DeletionDate"] - admin.now()).days <= 8
    admin.advance(days=9)
    assert home.kms.list_keys()["Keys"] == []


def test_waiting_primary_is_of_no_use(at, refused):
    family = Family(at, EAST)
    family.home.kms.schedule_key_deletion(KeyId=family.key)
    with refused():
        family.home.encrypt(family.key)


def test_waiting_primary_is_not_replicated(at, refused):
    family = Family(at, EAST)
    family.home.kms.schedule_key_deletion(KeyId=family.key)
    with refused():
        family.replica(at, WEST)


def test_cancelled_primary_is_disabled(at):
    family = Family(at, EAST)
    family.home.kms.schedule_key_deletion(KeyId=family.key)
    family.home.kms.cancel_key_deletion(KeyId=family.key)
    assert family.home.state(family.key) == "Disabled"


def test_ciphertext_opens_in_every_region(at):
    family = Family(at, EAST, WEST).filled()
    blob = family.there[0].encrypt(family.key)
    for cloud in (family.home, *family.there):
        assert cloud.kms.decrypt(CiphertextBlob=blob, KeyId=family.key)["Plaintext"] == b"a challenge"


def test_signature_is_verified_in_every_region(at):
    pair = pairs.generate("ECC_NIST_P256")
    family = Family(at, EAST, spec="ECC_NIST_P256", material=pairs.pkcs8(pair)).filled()
    request = {"KeyId": family.key, "Message": b"a challenge", "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = family.home.kms.sign(**request)["Signature"]
    assert family.there[0].kms.verify(**request, Signature=signature)["SignatureValid"]
    assert family.there[0].kms.get_public_key(KeyId=family.key)["PublicKey"] == pairs.spki(pair)


def test_mac_is_verified_in_every_region(at):
    family = Family(at, EAST, spec="HMAC_256").filled()
    assert family.home.mac(family.key) == family.there[0].mac(family.key)


def test_unrelated_key_with_the_same_material(at, refused):
    family = Family(at)
    there = at(EAST)
    unrelated = there.key(MultiRegion=True)
    there.put(unrelated, family.material)
    with refused():
        there.kms.decrypt(CiphertextBlob=family.home.encrypt(family.key), KeyId=unrelated)


def test_replica_counts_twice(at, admin, refused):
    families = [Family(at) for _ in range(3)]
    admin.settings(quotas=True)
    families[0].replica(at, EAST)
    families[1].replica(at, EAST)
    with refused():
        families[2].replica(at, EAST)


def test_other_regions_have_their_own(at, admin):
    families = [Family(at) for _ in range(4)]
    admin.settings(quotas=True)
    for family, region in zip(families, [EAST, EAST, WEST, WEST], strict=True):
        family.replica(at, region)
