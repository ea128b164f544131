"""Rules 15 to 19: the materials of one key, and which may come again."""

import hmac
import os
import re

import pairs
import pytest
from cloud import KEY_WRAP


def test_first_import_is_new(cloud):
    key, material = cloud.symmetric()
    assert cloud.materials(key) == {material: "CURRENT"}


def test_later_import_is_existing(cloud):
    material, key = os.urandom(32), cloud.key()
    first = cloud.put(key, material)
    again = cloud.put(key, material)
    assert again["KeyMaterialId"] == first["KeyMaterialId"]
    assert cloud.materials(key) == {first["KeyMaterialId"]: "CURRENT"}
    assert cloud.state(key) == "Enabled"


def test_end_changes_with_the_same_material(cloud):
    material, key = os.urandom(32), cloud.key()
    cloud.put_until(key, material, cloud.in_days(3))
    cloud.put_until(key, material, cloud.in_days(9))
    assert (cloud.describe(key)["ValidTo"] - cloud.admin.now()).days in (8, 9)
    cloud.put(key, material)
    assert "ValidTo" not in cloud.describe(key)


@pytest.mark.parametrize("kind", [None, "EXISTING_KEY_MATERIAL"])
def test_other_material_that_is_not_said_to_be_new(cloud, refused, kind):
    key, material = cloud.symmetric()
    with refused():
        cloud.put(key, os.urandom(32), ImportType=kind)
    assert cloud.materials(key) == {material: "CURRENT"}


def test_other_material_after_a_deletion(cloud, refused):
    material = os.urandom(32)
    key, _ = cloud.symmetric(material)
    cloud.kms.delete_imported_key_material(KeyId=key)
    with refused():
        cloud.put(key, os.urandom(32))
    assert cloud.state(key) == "PendingImport"
    cloud.put(key, material)
    assert cloud.state(key) == "Enabled"


def test_new_material_waits_for_rotation(cloud):
    key, first = cloud.symmetric()
    second = cloud.put(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL", KeyMaterialDescription="effect 1")["KeyMaterialId"]
    assert cloud.materials(key) == {first: "CURRENT", second: "PENDING_ROTATION"}
    assert cloud.describe(key)["CurrentKeyMaterialId"] == first
    opened = cloud.kms.decrypt(CiphertextBlob=cloud.encrypt(key))
    assert opened["KeyMaterialId"] == first


def test_unknown_import_type(cloud, refused):
    with refused():
        cloud.put(cloud.key(), os.urandom(32), ImportType="OTHER_KEY_MATERIAL")


def test_new_material_that_is_current(cloud, refused):
    material = os.urandom(32)
    key, _ = cloud.symmetric(material)
    with refused():
        cloud.put(key, material, ImportType="NEW_KEY_MATERIAL")


def test_new_material_that_waits(cloud, refused):
    key, _ = cloud.symmetric()
    material = os.urandom(32)
    cloud.put(key, material, ImportType="NEW_KEY_MATERIAL")
    with refused():
        cloud.put(key, material, ImportType="NEW_KEY_MATERIAL")


def test_new_material_that_was_current(cloud, refused):
    key, materials, _ = cloud.rotated()
    for material in materials:
        with refused():
            cloud.put(key, material, ImportType="NEW_KEY_MATERIAL")


def test_second_material_that_waits(cloud, refused):
    key, _ = cloud.symmetric()
    cloud.put(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")
    with refused():
        cloud.put(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")


def test_existing_material_by_its_id(cloud):
    key, materials, ids = cloud.rotated()
    for material, known in zip(materials, ids):
        again = cloud.put(key, material, ImportType="EXISTING_KEY_MATERIAL", KeyMaterialId=known)
        assert again["KeyMaterialId"] == known
    assert cloud.materials(key) == {ids[0]: "NON_CURRENT", ids[1]: "CURRENT"}


def test_id_with_new_material(cloud, refused):
    key, material = cloud.symmetric()
    with refused():
        cloud.put(key, os.urandom(32), ImportType="NEW_KEY_MATERIAL", KeyMaterialId=material)


def test_id_of_other_material(cloud, refused):
    key, materials, ids = cloud.rotated()
    with refused():
        cloud.put(key, materials[0], ImportType="EXISTING_KEY_MATERIAL", KeyMaterialId=ids[1])
    with refused():
        cloud.put(key, materials[0], ImportType="EXISTING_KEY_MATERIAL", KeyMaterialId="0" * 64)


@pytest.mark.parametrize("bad", ["0" * 63, "0" * 65, "A" * 64, "g" * 64])
def test_id_of_another_form(cloud, refused, bad):
    material = os.urandom(32)
    key, _ = cloud.symmetric(material)
    with refused():
        cloud.put(key, material, ImportType="EXISTING_KEY_MATERIAL", KeyMaterialId=bad)


def test_description_is_kept(cloud):
    material = os.urandom(32)
    key, _ = cloud.symmetric()
    cloud.put(key, material, ImportType="NEW_KEY_MATERIAL", KeyMaterialDescription="effect 1/a.b:c_d-e")
    cloud.put(key, material, ImportType="EXISTING_KEY_MATERIAL")
    listed = cloud.kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [entry.get("KeyMaterialDescription") or None for entry in listed if entry["KeyMaterialState"] == "PENDING_ROTATION"] == ["effect 1/a.b:c_d-e"]


@pytest.mark.parametrize("bad", ["semi;colon", "x" * 257, "naïve"])
def test_description_of_another_form(cloud, refused, bad):
    with refused():
        cloud.put(cloud.key(), os.urandom(32), KeyMaterialDescription=bad)


def test_id_comes_from_key_and_material(cloud):
    material = os.urandom(32)
    key, first = cloud.symmetric(material)
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert cloud.describe(key)["CurrentKeyMaterialId"] == first
    cloud.kms.delete_imported_key_material(KeyId=key)
    assert cloud.put(key, material)["KeyMaterialId"] == first
    _, other = cloud.symmetric(material)
    assert other != first
    _, third = cloud.symmetric()
    assert third not in (first, other)


def test_id_is_of_symmetric_keys_alone(cloud, refused):
    material, key = os.urandom(32), cloud.key("HMAC_256")
    cloud.put(key, material)
    assert "CurrentKeyMaterialId" not in cloud.describe(key)
    with refused():
        cloud.put(key, material, KeyMaterialId="0" * 64)


SINGLE = ["HMAC_256", "ECC_NIST_P256", "RSA_2048"]


def fresh(spec):
    return os.urandom(32) if spec == "HMAC_256" else pairs.pkcs8(pairs.generate(spec))


def put(cloud, key, spec, material, **more):
    return cloud.put(key, material, **({} if spec == "HMAC_256" else {"alg": KEY_WRAP}), **more)


@pytest.mark.parametrize("spec", SINGLE)
def test_single_material_comes_again(cloud, spec):
    key, material = cloud.key(spec), fresh(spec)
    put(cloud, key, spec, material)
    put(cloud, key, spec, material)
    cloud.kms.delete_imported_key_material(KeyId=key)
    assert cloud.state(key) == "PendingImport"
    put(cloud, key, spec, material)
    assert cloud.state(key) == "Enabled"


def test_single_material_in_another_dress(cloud):
    pair, key = pairs.generate("ECC_NIST_P256"), cloud.key("ECC_NIST_P256")
    scalar = pair.private_numbers().private_value.to_bytes(32, "big")
    for dress in (pairs.pkcs8(pair), pairs.p256(scalar), pairs.p256(scalar, pairs.point(pair))):
        cloud.put(key, dress)
    assert cloud.kms.get_public_key(KeyId=key)["PublicKey"] == pairs.spki(pair)


@pytest.mark.parametrize("spec", SINGLE)
def test_single_material_is_for_ever(cloud, refused, spec):
    key = cloud.key(spec)
    put(cloud, key, spec, fresh(spec))
    with refused():
        put(cloud, key, spec, fresh(spec))
    cloud.kms.delete_imported_key_material(KeyId=key)
    with refused():
        put(cloud, key, spec, fresh(spec))
    assert cloud.state(key) == "PendingImport"


@pytest.mark.parametrize("spec", SINGLE)
def test_single_material_is_for_ever_after_its_end(cloud, admin, refused, spec):
    key, material = cloud.key(spec), fresh(spec)
    put(cloud, key, spec, material, ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=cloud.in_days(1))
    admin.advance(days=2)
    assert cloud.state(key) == "PendingImport"
    with refused():
        put(cloud, key, spec, fresh(spec))
    put(cloud, key, spec, material)
    assert cloud.state(key) == "Enabled"


@pytest.mark.parametrize("spec", SINGLE)
def test_single_material_has_no_import_type(cloud, refused, spec):
    key = cloud.key(spec)
    put(cloud, key, spec, fresh(spec))
    with refused():
        put(cloud, key, spec, fresh(spec), ImportType="NEW_KEY_MATERIAL")


def test_single_material_is_what_it_was(cloud):
    material, key = os.urandom(32), cloud.key("HMAC_256")
    cloud.put(key, material)
    cloud.kms.delete_imported_key_material(KeyId=key)
    cloud.put(key, material)
    assert cloud.mac(key) == hmac.digest(material, b"a challenge", "sha256")
