"""Rules 4 to 7: what keys and what wrapping can be asked for."""

import pairs
import pytest
from cloud import OAEP
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

ASYMMETRIC = ["RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1"]
HMAC = ["HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"]


def test_external_key_waits_for_material(cloud):
    made = cloud.kms.create_key(Origin="EXTERNAL", Description="d", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    for got in (made, cloud.describe(made["KeyId"])):
        assert got["KeyState"] == "PendingImport" and got["Enabled"] is False
        assert got["Origin"] == "EXTERNAL" and got["KeyManager"] == "CUSTOMER" and got["Description"] == "d"
        assert "DeletionDate" not in got and "ValidTo" not in got
    assert cloud.kms.list_resource_tags(KeyId=made["KeyId"])["Tags"] == [{"TagKey": "a", "TagValue": "b"}]


def test_key_of_the_clouds_own_is_ready(cloud):
    got = cloud.kms.create_key()["KeyMetadata"]
    assert got["Origin"] == "AWS_KMS" and got["KeyState"] == "Enabled" and got["Enabled"] is True


def test_import_into_a_key_of_the_clouds_own(cloud, refused):
    key = cloud.kms.create_key()["KeyMetadata"]["KeyId"]
    with refused():
        cloud.params(key)


def test_no_use_before_the_import(cloud, refused):
    with refused():
        cloud.encrypt(cloud.key())
    with refused():
        cloud.mac(cloud.key("HMAC_256"))


def test_usage_may_be_left_out_for_symmetric(cloud):
    assert cloud.kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyUsage"] == "ENCRYPT_DECRYPT"


@pytest.mark.parametrize("spec", ASYMMETRIC + HMAC)
def test_usage_is_required(cloud, refused, spec):
    with refused():
        cloud.kms.create_key(Origin="EXTERNAL", KeySpec=spec)


@pytest.mark.parametrize(
    ("spec", "usage"),
    [
        ("SYMMETRIC_DEFAULT", "SIGN_VERIFY"),
        ("SYMMETRIC_DEFAULT", "GENERATE_VERIFY_MAC"),
        ("HMAC_256", "ENCRYPT_DECRYPT"),
        ("RSA_2048", "GENERATE_VERIFY_MAC"),
        ("RSA_2048", "KEY_AGREEMENT"),
        ("ECC_NIST_P256", "ENCRYPT_DECRYPT"),
        ("ECC_SECG_P256K1", "KEY_AGREEMENT"),
        ("SYMMETRIC_DEFAULT", "NO_SUCH_USAGE"),
    ],
)
def test_usage_must_fit_the_spec(cloud, refused, spec, usage):
    with refused():
        cloud.key(spec, KeyUsage=usage)


def test_unknown_spec(cloud, refused):
    with refused():
        cloud.key("AES_256", KeyUsage="ENCRYPT_DECRYPT")


@pytest.mark.parametrize("spec", ["SYMMETRIC_DEFAULT", *ASYMMETRIC, *HMAC])
def test_specs_that_can_be_imported(cloud, spec):
    got = cloud.describe(cloud.key(spec))
    assert got["KeyState"] == "PendingImport" and got["KeySpec"] == spec and got["CustomerMasterKeySpec"] == spec


@pytest.mark.parametrize("spec", ["ML_DSA_44", "ML_DSA_65", "ML_DSA_87"])
def test_ml_dsa_cannot_be_imported(cloud, refused, spec):
    with refused():
        cloud.key(spec, KeyUsage="SIGN_VERIFY")


@pytest.mark.parametrize("spec", ["ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"])
def test_ml_kem_cannot_be_imported(cloud, refused, spec):
    with refused():
        cloud.key(spec, KeyUsage="ENCAPSULATE_DECAPSULATE")


def test_ed25519_cannot_be_imported(cloud, refused):
    with refused():
        cloud.key("ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")


def test_ed25519_leniently(cloud, admin):
    admin.settings(lenient=True)
    pair, key = ed25519.Ed25519PrivateKey.generate(), cloud.key("ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")
    cloud.put(key, pairs.pkcs8(pair))
    assert cloud.kms.get_public_key(KeyId=key)["PublicKey"] == pairs.spki(pair)


def test_sm2_key(cloud, refused):
    with refused():
        cloud.key("SM2", KeyUsage="SIGN_VERIFY")


@pytest.mark.parametrize("size", [2048, 3072, 4096])
@pytest.mark.parametrize("alg", ["RSAES_OAEP_SHA_1", OAEP])
def test_wrapping_keys_that_can_be_asked_for(cloud, alg, size):
    public = cloud.params(cloud.key(), alg, f"RSA_{size}")["PublicKey"]
    numbers = serialization.load_der_public_key(public).public_numbers()
    assert numbers.n.bit_length() == size and numbers.e == 65537


def test_pkcs1_wrapping(cloud, refused):
    with refused():
        cloud.params(cloud.key(), "RSAES_PKCS1_V1_5")


def test_sm2_wrapping(cloud, refused):
    with refused():
        cloud.params(cloud.key(), "SM2PKE", "SM2")
    with refused():
        cloud.params(cloud.key(), OAEP, "SM2")


@pytest.mark.parametrize(("alg", "size"), [("RSAES_OAEP_SHA_512", "RSA_2048"), (OAEP, "RSA_1024")])
def test_unknown_wrapping(cloud, refused, alg, size):
    with refused():
        cloud.params(cloud.key(), alg, size)
