"""Rules 20 to 23: keys with several materials."""

import os

import pytest
from test_lifecycle import near


def test_older_material_still_decrypts(cloud):
    key, first = cloud.symmetric()
    old = cloud.encrypt(key)
    second = cloud.put(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    cloud.kms.rotate_key_on_demand(KeyId=key)
    assert cloud.kms.decrypt(CiphertextBlob=old)["KeyMaterialId"] == first
    assert cloud.kms.decrypt(CiphertextBlob=cloud.encrypt(key))["KeyMaterialId"] == second


@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_missing_stops_the_key(cloud, refused, which):
    key, materials, ids = cloud.rotated(3)
    blob = cloud.encrypt(key)
    assert cloud.kms.delete_imported_key_material(KeyId=key, KeyMaterialId=ids[which])["KeyMaterialId"] == ids[which]
    assert cloud.state(key) == "PendingImport"
    with refused():
        cloud.kms.decrypt(CiphertextBlob=blob)
    with refused():
        cloud.encrypt(key)
    cloud.put(key, materials[which], ImportType="EXISTING_KEY_MATERIAL")
    assert cloud.state(key) == "Enabled"
    assert cloud.kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"a challenge"


def test_one_ended_stops_the_key(cloud, admin, refused):
    first, key = os.urandom(32), cloud.key()
    cloud.put_until(key, first, cloud.in_days(2))
    cloud.put(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")
    cloud.kms.rotate_key_on_demand(KeyId=key)
    admin.advance(days=3)
    assert cloud.state(key) == "PendingImport"
    with refused():
        cloud.encrypt(key)
    cloud.put(key, first)
    assert cloud.state(key) == "Enabled"


def test_all_missing_must_come_back(cloud):
    key, materials, ids = cloud.rotated()
    for material in ids:
        cloud.kms.delete_imported_key_material(KeyId=key, KeyMaterialId=material)
    cloud.put(key, materials[1])
    assert cloud.state(key) == "PendingImport"
    cloud.put(key, materials[0])
    assert cloud.state(key) == "Enabled"


def test_deletion_is_of_the_current_material(cloud):
    key, _, ids = cloud.rotated()
    assert cloud.kms.delete_imported_key_material(KeyId=key)["KeyMaterialId"] == ids[1]
    listed = cloud.kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert {entry["KeyMaterialId"]: entry["ImportState"] for entry in listed} == {ids[0]: "IMPORTED", ids[1]: "PENDING_IMPORT"}


def test_deletion_of_unknown_material(cloud, refused):
    key, _ = cloud.symmetric()
    with refused():
        cloud.kms.delete_imported_key_material(KeyId=key, KeyMaterialId="0" * 64)
    assert cloud.state(key) == "Enabled"


def test_end_is_the_earliest(cloud):
    key = cloud.key()
    cloud.put_until(key, os.urandom(32), cloud.in_days(30))
    cloud.put_until(key, os.urandom(32), cloud.in_days(10), ImportType="NEW_KEY_MATERIAL")
    cloud.kms.rotate_key_on_demand(KeyId=key)
    near(cloud.describe(key)["ValidTo"], cloud.in_days(10))
    cloud.put_until(key, os.urandom(32), cloud.in_days(20), ImportType="NEW_KEY_MATERIAL")
    cloud.kms.rotate_key_on_demand(KeyId=key)
    near(cloud.describe(key)["ValidTo"], cloud.in_days(10))


def test_end_of_what_waits_does_not_count(cloud, admin):
    key = cloud.key()
    cloud.put_until(key, os.urandom(32), cloud.in_days(30))
    cloud.put_until(key, os.urandom(32), cloud.in_days(10), ImportType="NEW_KEY_MATERIAL")
    near(cloud.describe(key)["ValidTo"], cloud.in_days(30))
    admin.advance(days=11)
    assert cloud.state(key) == "Enabled"


def test_end_is_gone_with_the_material_that_had_it(cloud):
    materials, key = [os.urandom(32) for _ in range(2)], cloud.key()
    cloud.put_until(key, materials[0], cloud.in_days(30))
    cloud.put(key, materials[1], ImportType="NEW_KEY_MATERIAL")
    cloud.kms.rotate_key_on_demand(KeyId=key)
    near(cloud.describe(key)["ValidTo"], cloud.in_days(30))
    cloud.put(key, materials[0])
    assert "ValidTo" not in cloud.describe(key)


def test_rotation(cloud):
    key, first = cloud.symmetric()
    second = cloud.put(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    assert cloud.kms.rotate_key_on_demand(KeyId=key)["KeyId"] in (key, cloud.describe(key)["Arn"])
    assert cloud.materials(key) == {first: "NON_CURRENT", second: "CURRENT"}
    assert cloud.describe(key)["CurrentKeyMaterialId"] == second


def test_rotation_takes_its_time(cloud, admin):
    admin.settings(rotation_delay=60)
    key, first = cloud.symmetric()
    second = cloud.put(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    cloud.kms.rotate_key_on_demand(KeyId=key)
    admin.advance(seconds=50)
    assert cloud.describe(key)["CurrentKeyMaterialId"] == first
    assert cloud.kms.decrypt(CiphertextBlob=cloud.encrypt(key))["KeyMaterialId"] == first
    admin.advance(seconds=15)
    assert cloud.describe(key)["CurrentKeyMaterialId"] == second


def test_rotation_to_nothing(cloud, refused):
    key, _ = cloud.symmetric()
    with refused():
        cloud.kms.rotate_key_on_demand(KeyId=key)


def test_rotation_without_material(cloud, refused):
    key, _, ids = cloud.rotated()
    cloud.put(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")
    cloud.kms.delete_imported_key_material(KeyId=key, KeyMaterialId=ids[0])
    with refused():
        cloud.kms.rotate_key_on_demand(KeyId=key)


@pytest.mark.parametrize("spec", ["HMAC_256", "ECC_NIST_P256", "RSA_2048"])
def test_rotation_of_what_has_one_material(cloud, refused, spec):
    with refused():
        cloud.kms.rotate_key_on_demand(KeyId=cloud.key(spec))


def test_rotation_of_a_disabled_key(cloud, refused):
    key, _ = cloud.symmetric()
    cloud.put(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")
    cloud.kms.disable_key(KeyId=key)
    with refused():
        cloud.kms.rotate_key_on_demand(KeyId=key)


def test_twenty_six_rotations(cloud, refused):
    key, _, _ = cloud.rotated(26)
    assert list(cloud.materials(key).values()).count("NON_CURRENT") == 25
    cloud.put(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")
    with refused():
        cloud.kms.rotate_key_on_demand(KeyId=key)


def test_rotations_hide_the_first_and_what_waits(cloud):
    key, _, ids = cloud.rotated(3)
    cloud.put(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")
    for more in ({}, {"IncludeKeyMaterial": "ROTATIONS_ONLY"}):
        listed = cloud.kms.list_key_rotations(KeyId=key, **more)["Rotations"]
        assert sorted(entry["KeyMaterialId"] for entry in listed) == sorted(ids[1:])
        assert all(entry["RotationType"] == "ON_DEMAND" and entry["RotationDate"] for entry in listed)


def test_all_material_is_listed(cloud):
    key, _, ids = cloud.rotated(3)
    waits = cloud.put_until(key, os.urandom(32), cloud.in_days(3), ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    listed = cloud.kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    by_id = {entry["KeyMaterialId"]: entry for entry in listed}
    assert {i: e["KeyMaterialState"] for i, e in by_id.items()} == {
        ids[0]: "NON_CURRENT",
        ids[1]: "NON_CURRENT",
        ids[2]: "CURRENT",
        waits: "PENDING_ROTATION",
    }
    assert all(entry["ImportState"] == "IMPORTED" for entry in listed)
    assert "RotationDate" not in by_id[ids[0]] and "RotationDate" not in by_id[waits]
    assert by_id[waits]["ExpirationModel"] == "KEY_MATERIAL_EXPIRES"
    near(by_id[waits]["ValidTo"], cloud.in_days(3))


@pytest.mark.parametrize("spec", ["HMAC_256", "ECC_NIST_P256", "RSA_2048"])
def test_rotations_of_what_has_one_material(cloud, refused, spec):
    with refused():
        cloud.kms.list_key_rotations(KeyId=cloud.key(spec))
