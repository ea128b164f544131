"""Rules 32 to 41 where a family acts as one: new material, deletion, a change of roles, use."""

import pairs
import pytest
from family import EAST, HOME, WEST, Family


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
