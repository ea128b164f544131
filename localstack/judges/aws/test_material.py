"""Rules 12 to 14: what material is taken, and until when."""

import datetime
import hmac
import os

import pairs
import pytest
from cloud import KEY_WRAP, OAEP
from cryptography.hazmat.primitives.asymmetric import ec


def wide_pair():
    """A P-256 pair whose scalar has no leading zero, and its scalar."""
    while True:
        pair = pairs.generate("ECC_NIST_P256")
        scalar = pair.private_numbers().private_value.to_bytes(32, "big")
        if scalar[0]:
            return pair, scalar


def test_pkcs8_with_and_without_public_key(cloud):
    pair, scalar = wide_pair()
    compressed = pairs.point(pair)
    compressed = bytes([2 + compressed[64] % 2]) + compressed[1:33]
    for point in (None, pairs.point(pair), compressed):
        key = cloud.key("ECC_NIST_P256")
        cloud.put(key, pairs.p256(scalar, point))
        assert cloud.kms.get_public_key(KeyId=key)["PublicKey"] == pairs.spki(pair)


def test_scalar_with_leading_zero(cloud):
    for value in (1, 255, 2**240):
        pair, key = ec.derive_private_key(value, ec.SECP256R1()), cloud.key("ECC_NIST_P256")
        cloud.put(key, pairs.p256(value.to_bytes(32, "big")))
        assert cloud.kms.get_public_key(KeyId=key)["PublicKey"] == pairs.spki(pair)


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def bad_ec(how):
    pair, scalar = wide_pair()
    whole = pairs.pkcs8(pair)
    return {
        "trailing byte": whole + b"\0",
        "trailing bytes": whole + b"\5\0",
        "padding to eight": whole + bytes(8 - len(whole) % 8),
        "cut": whole[:-1],
        "SEC 1": pairs.traditional(pair),
        "public key": pairs.spki(pair),
        "raw scalar": scalar,
        "explicit parameters": pairs.explicit(),
        "another curve": pairs.pkcs8(pairs.generate("ECC_SECG_P256K1")),
        "a larger curve": pairs.pkcs8(pairs.generate("ECC_NIST_P384")),
        "a short scalar": pairs.p256((1).to_bytes(31, "big")),
        "a long scalar": pairs.p256(b"\0" + scalar),
        "scalar zero": pairs.p256(bytes(32)),
        "scalar past the order": pairs.p256(ORDER.to_bytes(32, "big")),
        "another's public key": pairs.p256(scalar, pairs.point(pairs.generate("ECC_NIST_P256"))),
        "a point off the curve": pairs.p256(scalar, b"\4" + bytes(63) + b"\1"),
        "garbage": b"\1" * 138,
    }[how]


@pytest.mark.parametrize(
    "how",
    ["trailing byte", "trailing bytes", "padding to eight", "cut", "SEC 1", "public key", "raw scalar", "explicit parameters",
     "another curve", "a larger curve", "a short scalar", "a long scalar", "scalar zero", "scalar past the order",
     "another's public key", "a point off the curve", "garbage"],
)  # fmt: skip
@pytest.mark.parametrize("alg", [OAEP, KEY_WRAP])
def test_ec_key_of_another_form(cloud, refused, how, alg):
    key = cloud.key("ECC_NIST_P256")
    with refused():
        cloud.put(key, bad_ec(how), alg, "RSA_4096")
    assert cloud.state(key) == "PendingImport"


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "RSA_2048"])
def test_encrypted_pkcs8(cloud, refused, spec):
    with refused():
        cloud.put(cloud.key(spec), pairs.encrypted(pairs.generate(spec)), KEY_WRAP)


def numbers(pair):
    n = pair.private_numbers()
    return [n.public_numbers.n, n.public_numbers.e, n.d, n.p, n.q, n.dmp1, n.dmq1, n.iqmp]


def bad_rsa(how):
    pair = pairs.generate("RSA_3072" if how == "another size" else "RSA_2048")
    parts = numbers(pair)
    if how.startswith("wrong "):
        at = ["n", "e", "d", "p", "q", "dp", "dq", "qinv"].index(how[6:])
        parts[at] += 2
        return pairs.rsa_pkcs8(0, *parts)
    return {
        "another size": pairs.pkcs8(pair),
        "trailing byte": pairs.pkcs8(pair) + b"\0",
        "PKCS#1": pairs.traditional(pair),
        "public key": pairs.spki(pair),
        "EC": pairs.pkcs8(pairs.generate("ECC_NIST_P256")),
        "multi-prime version": pairs.rsa_pkcs8(1, *parts),
    }[how]


@pytest.mark.parametrize(
    "how",
    ["another size", "trailing byte", "PKCS#1", "public key", "EC", "multi-prime version", "wrong n", "wrong e", "wrong d", "wrong p",
     "wrong q", "wrong dp", "wrong dq", "wrong qinv"],
)  # fmt: skip
def test_rsa_key_of_another_form(cloud, refused, how):
    key = cloud.key("RSA_2048")
    with refused():
        cloud.put(key, bad_rsa(how), KEY_WRAP)
    assert cloud.state(key) == "PendingImport"


def test_rsa_key_from_its_parts(cloud):
    pair, key = pairs.generate("RSA_2048"), cloud.key("RSA_2048")
    cloud.put(key, pairs.rsa_pkcs8(0, *numbers(pair)), KEY_WRAP)
    assert cloud.kms.get_public_key(KeyId=key)["PublicKey"] == pairs.spki(pair)


def test_symmetric_of_32_bytes(cloud):
    key, _ = cloud.symmetric(os.urandom(32))
    assert cloud.state(key) == "Enabled"


@pytest.mark.parametrize("size", [1, 16, 24, 31, 33, 48, 64])
def test_symmetric_of_another_size(cloud, refused, size):
    key = cloud.key()
    with refused():
        cloud.put(key, os.urandom(size))
    assert cloud.state(key) == "PendingImport"


@pytest.mark.parametrize(("spec", "size"), [("HMAC_224", 27), ("HMAC_256", 31), ("HMAC_384", 47), ("HMAC_512", 63), ("HMAC_256", 1), ("HMAC_256", 129)])
def test_hmac_of_another_size(cloud, refused, spec, size):
    with refused():
        cloud.put(cloud.key(spec), os.urandom(size))


def test_longer_hmac_leniently(cloud, admin):
    admin.settings(lenient=True)
    material, key = os.urandom(128), cloud.key("HMAC_256")
    cloud.put(key, material)
    assert cloud.mac(key) == hmac.digest(material, b"a challenge", "sha256")


@pytest.mark.parametrize("size", [33, 64, 128])
def test_longer_hmac(cloud, refused, size):
    with refused():
        cloud.put(cloud.key("HMAC_256"), os.urandom(size))


def test_without_end(cloud):
    key, _ = cloud.symmetric()
    got = cloud.describe(key)
    assert got["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE" and "ValidTo" not in got


@pytest.mark.parametrize("days", [0.001, 1, 364.99])
def test_with_an_end(cloud, days):
    key, end = cloud.key(), cloud.in_days(days)
    cloud.put_until(key, os.urandom(32), end)
    got = cloud.describe(key)
    assert got["ExpirationModel"] == "KEY_MATERIAL_EXPIRES"
    assert abs(got["ValidTo"] - end) < datetime.timedelta(seconds=1)


def test_expires_is_the_default(cloud):
    key, end = cloud.key(), cloud.in_days(1)
    cloud.put(key, os.urandom(32), ExpirationModel=None, ValidTo=end)
    assert cloud.describe(key)["ExpirationModel"] == "KEY_MATERIAL_EXPIRES"


def test_material_ends(cloud, admin):
    key = cloud.key()
    cloud.put_until(key, os.urandom(32), cloud.in_days(2))
    admin.advance(days=1, hours=23)
    assert cloud.state(key) == "Enabled"
    admin.advance(hours=2)
    assert cloud.state(key) == "PendingImport"


@pytest.mark.parametrize("model", [None, "KEY_MATERIAL_EXPIRES"])
def test_expires_without_an_end(cloud, refused, model):
    with refused():
        cloud.put(cloud.key(), os.urandom(32), ExpirationModel=model)


def test_end_of_what_does_not_expire(cloud, refused):
    with refused():
        cloud.put(cloud.key(), os.urandom(32), ValidTo=cloud.in_days(1))


@pytest.mark.parametrize("days", [-400, -1, -0.001, 365.01, 400, 5000])
def test_end_past_or_too_far(cloud, refused, days):
    key = cloud.key()
    with refused():
        cloud.put_until(key, os.urandom(32), cloud.in_days(days))
    assert cloud.state(key) == "PendingImport"


def test_unknown_expiration_model(cloud, refused):
    with refused():
        cloud.put(cloud.key(), os.urandom(32), ExpirationModel="NEVER")
