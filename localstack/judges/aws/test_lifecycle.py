"""Rules 24 to 26: states, deletion and aliases."""

import datetime
import os

import pytest
import wrap


def near(got, want):
    assert abs(got - want) < datetime.timedelta(minutes=1), (got, want)


def test_disable_and_enable(cloud):
    key, _ = cloud.symmetric()
    blob = cloud.encrypt(key)
    cloud.kms.disable_key(KeyId=key)
    got = cloud.describe(key)
    assert got["KeyState"] == "Disabled" and got["Enabled"] is False
    cloud.kms.enable_key(KeyId=key)
    assert cloud.state(key) == "Enabled"
    assert cloud.kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"a challenge"


def test_use_of_a_disabled_key(cloud, refused):
    key, _ = cloud.symmetric()
    blob = cloud.encrypt(key)
    cloud.kms.disable_key(KeyId=key)
    with refused():
        cloud.encrypt(key)
    with refused():
        cloud.kms.decrypt(CiphertextBlob=blob)


def test_import_into_a_disabled_key(cloud, refused):
    material = os.urandom(32)
    key, _ = cloud.symmetric(material)
    cloud.kms.disable_key(KeyId=key)
    with refused():
        cloud.put(key, material)


def test_enable_and_disable_without_material(cloud, refused):
    key = cloud.key()
    with refused():
        cloud.kms.enable_key(KeyId=key)
    with refused():
        cloud.kms.disable_key(KeyId=key)
    assert cloud.state(key) == "PendingImport"


def test_cancelled_deletion_leaves_a_disabled_key(cloud):
    key, _ = cloud.symmetric()
    cloud.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert cloud.state(key) == "PendingDeletion"
    cloud.kms.cancel_key_deletion(KeyId=key)
    got = cloud.describe(key)
    assert got["KeyState"] == "Disabled" and "DeletionDate" not in got
    cloud.kms.enable_key(KeyId=key)
    assert cloud.kms.decrypt(CiphertextBlob=cloud.encrypt(key))["Plaintext"] == b"a challenge"


def test_cancelling_no_deletion(cloud, refused):
    for key in (cloud.key(), cloud.symmetric()[0]):
        with refused():
            cloud.kms.cancel_key_deletion(KeyId=key)


def pending_deletion(cloud):
    key, _ = cloud.symmetric()
    cloud.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    return key


BARRED = {
    "get_parameters_for_import": {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
    "enable_key": {},
    "disable_key": {},
    "schedule_key_deletion": {},
    "rotate_key_on_demand": {},
    "tag_resource": {"Tags": [{"TagKey": "a", "TagValue": "b"}]},
}


@pytest.mark.parametrize("operation", BARRED)
def test_what_a_key_to_be_deleted_refuses(cloud, refused, operation):
    key = pending_deletion(cloud)
    with refused():
        getattr(cloud.kms, operation)(KeyId=key, **BARRED[operation])


def test_import_into_a_key_to_be_deleted(cloud, refused):
    material, key = os.urandom(32), cloud.key()
    params = cloud.params(key)
    blob = wrap.cryptography(params["PublicKey"], "RSAES_OAEP_SHA_256", material)
    cloud.kms.schedule_key_deletion(KeyId=key)
    with refused():
        cloud.put_wrapped(key, params, blob)


def test_use_of_a_key_to_be_deleted(cloud, refused):
    key = pending_deletion(cloud)
    with refused():
        cloud.encrypt(key)


def test_material_of_a_key_to_be_deleted(cloud):
    key = pending_deletion(cloud)
    cloud.kms.delete_imported_key_material(KeyId=key)
    assert cloud.state(key) == "PendingDeletion"


def test_deletion_without_material_has_no_effect(cloud):
    key = cloud.key()
    cloud.kms.delete_imported_key_material(KeyId=key)
    assert cloud.state(key) == "PendingImport"


@pytest.mark.parametrize("days", [-1, 0, 1, 6, 31, 365])
def test_window_outside_seven_to_thirty(cloud, refused, days):
    key = cloud.key()
    with refused():
        cloud.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=days)
    assert cloud.state(key) == "PendingImport"


@pytest.mark.parametrize("days", [7, 30, None])
def test_window(cloud, admin, days):
    key = cloud.key()
    got = cloud.kms.schedule_key_deletion(KeyId=key, **({"PendingWindowInDays": days} if days else {}))
    assert got["KeyState"] == "PendingDeletion" and got["PendingWindowInDays"] == (days or 30)
    near(got["DeletionDate"], cloud.in_days(days or 30))
    near(cloud.describe(key)["DeletionDate"], cloud.in_days(days or 30))
    admin.advance(days=(days or 30) - 0.01)
    assert cloud.state(key) == "PendingDeletion"


def test_end_of_the_window(cloud, admin, refused):
    key = pending_deletion(cloud)
    admin.advance(days=7, minutes=1)
    with refused():
        cloud.describe(key)
    with refused():
        cloud.kms.cancel_key_deletion(KeyId=key)
    assert cloud.kms.list_keys()["Keys"] == []


def test_aliases_go_with_the_key(cloud, admin):
    key, _ = cloud.symmetric()
    cloud.kms.create_alias(AliasName="alias/a", TargetKeyId=key)
    cloud.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert [alias["AliasName"] for alias in cloud.kms.list_aliases()["Aliases"]] == ["alias/a"]
    admin.advance(days=7, minutes=1)
    assert cloud.kms.list_aliases()["Aliases"] == []


def test_alias_moves(cloud):
    one, two = cloud.key("RSA_2048"), cloud.key("ECC_NIST_P256")
    cloud.kms.create_alias(AliasName="alias/a/b_c-d", TargetKeyId=one)
    cloud.kms.update_alias(AliasName="alias/a/b_c-d", TargetKeyId=two)
    assert cloud.describe("alias/a/b_c-d")["KeyId"] == two
    cloud.kms.delete_alias(AliasName="alias/a/b_c-d")
    assert cloud.kms.list_aliases()["Aliases"] == []


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"spec": "SYMMETRIC_DEFAULT"}, {"spec": "HMAC_256"}),
        ({"spec": "SYMMETRIC_DEFAULT"}, {"spec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}),
        ({"spec": "RSA_2048"}, {"spec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}),
        ({"spec": "ECC_NIST_P256"}, {"spec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"}),
    ],
)
def test_alias_to_another_type_or_usage(cloud, refused, one, two):
    first = cloud.key(**one)
    cloud.kms.create_alias(AliasName="alias/a", TargetKeyId=first)
    with refused():
        cloud.kms.update_alias(AliasName="alias/a", TargetKeyId=cloud.key(**two))
    assert cloud.describe("alias/a")["KeyId"] == first


@pytest.mark.parametrize("name", ["alias/aws/mine", "alias/aws/kms"])
def test_alias_of_the_clouds_own(cloud, refused, name):
    with refused():
        cloud.kms.create_alias(AliasName=name, TargetKeyId=cloud.key())


@pytest.mark.parametrize("name", ["a", "alias/", "alias/a b", "alias/ä", "ALIAS/a"])
def test_alias_of_another_form(cloud, refused, name):
    with refused():
        cloud.kms.create_alias(AliasName=name, TargetKeyId=cloud.key())


def test_alias_that_is_taken(cloud, refused):
    cloud.kms.create_alias(AliasName="alias/a", TargetKeyId=cloud.key())
    with refused():
        cloud.kms.create_alias(AliasName="alias/a", TargetKeyId=cloud.key())


def test_alias_that_is_not_there(cloud, refused):
    key = cloud.key()
    with refused():
        cloud.kms.update_alias(AliasName="alias/a", TargetKeyId=key)
    with refused():
        cloud.kms.delete_alias(AliasName="alias/a")
    with refused():
        cloud.describe("alias/a")


def test_alias_to_a_key_to_be_deleted(cloud, refused):
    with refused():
        cloud.kms.create_alias(AliasName="alias/a", TargetKeyId=pending_deletion(cloud))
