"""Rules 8 to 11: wrapping keys, import tokens and unwrapping."""

import datetime
import hashlib
import hmac
import os

import pairs
import pytest
import wrap
from cloud import KEY_WRAP, OAEP
from cryptography.hazmat.primitives import hashes, keywrap

ALL = ["RSAES_OAEP_SHA_1", OAEP, "RSA_AES_KEY_WRAP_SHA_1", KEY_WRAP]
WRAPPERS = [wrap.cryptography, wrap.openssl]


@pytest.mark.parametrize("by", WRAPPERS)
@pytest.mark.parametrize("alg", ALL)
@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_SECG_P256K1"])
def test_ec_under_any(cloud, spec, alg, by):
    pair, key = pairs.generate(spec), cloud.key(spec)
    cloud.put(key, pairs.pkcs8(pair), alg, by=by)
    assert cloud.kms.get_public_key(KeyId=key)["PublicKey"] == pairs.spki(pair)


@pytest.mark.parametrize("spec", ["RSA_2048", "RSA_3072", "RSA_4096"])
@pytest.mark.parametrize("alg", ["RSA_AES_KEY_WRAP_SHA_1", KEY_WRAP])
def test_rsa_under_key_wrap(cloud, spec, alg):
    pair, key = pairs.generate(spec), cloud.key(spec)
    cloud.put(key, pairs.pkcs8(pair), alg, by=wrap.openssl)
    assert cloud.kms.get_public_key(KeyId=key)["PublicKey"] == pairs.spki(pair)


@pytest.mark.parametrize(("alg", "size"), [(OAEP, "RSA_3072"), (OAEP, "RSA_4096"), (KEY_WRAP, "RSA_2048")])
def test_p521_where_it_fits(cloud, alg, size):
    pair, key = pairs.generate("ECC_NIST_P521"), cloud.key("ECC_NIST_P521")
    cloud.put(key, pairs.pkcs8(pair), alg, size)
    assert cloud.kms.get_public_key(KeyId=key)["PublicKey"] == pairs.spki(pair)


@pytest.mark.parametrize("alg", ["RSAES_OAEP_SHA_1", OAEP])
def test_rsa_under_oaep(cloud, refused, alg):
    with refused():
        cloud.params(cloud.key("RSA_2048"), alg, "RSA_4096")


@pytest.mark.parametrize("alg", ["RSAES_OAEP_SHA_1", OAEP])
def test_p521_under_oaep_with_rsa_2048(cloud, refused, alg):
    with refused():
        cloud.params(cloud.key("ECC_NIST_P521"), alg, "RSA_2048")


@pytest.mark.parametrize("spec", ["SYMMETRIC_DEFAULT", "HMAC_256"])
@pytest.mark.parametrize("alg", ["RSA_AES_KEY_WRAP_SHA_1", KEY_WRAP])
def test_secret_under_key_wrap(cloud, refused, spec, alg):
    with refused():
        cloud.params(cloud.key(spec), alg)


@pytest.mark.fresh
def test_every_call_gives_a_fresh_pair(cloud):
    key = cloud.key()
    given = [cloud.params(key) for _ in range(4)]
    assert len({g["PublicKey"] for g in given}) == 4
    assert len({g["ImportToken"] for g in given}) == 4


def test_parameters_end_in_a_day(cloud, admin):
    end = cloud.params(cloud.key())["ParametersValidTo"]
    assert abs(end - admin.now() - datetime.timedelta(days=1)) < datetime.timedelta(seconds=30)


@pytest.mark.fresh
def test_earlier_pair_stays_valid(cloud):
    key = cloud.key()
    early = cloud.params(key)
    cloud.params(key)
    cloud.put_wrapped(key, early, wrap.cryptography(early["PublicKey"], OAEP, os.urandom(32)))
    assert cloud.state(key) == "Enabled"


def test_pair_after_its_use(cloud, refused):
    key, material = cloud.key(), os.urandom(32)
    params = cloud.params(key)
    cloud.put_wrapped(key, params, wrap.cryptography(params["PublicKey"], OAEP, material))
    with refused():
        cloud.put_wrapped(key, params, wrap.cryptography(params["PublicKey"], OAEP, material))


def test_pair_after_its_use_leniently(cloud, admin):
    admin.settings(lenient=True)
    key, material = cloud.key(), os.urandom(32)
    params = cloud.params(key)
    for _ in range(2):
        cloud.put_wrapped(key, params, wrap.cryptography(params["PublicKey"], OAEP, material))


@pytest.mark.fresh
def test_pair_of_another_call(cloud, refused):
    key = cloud.key()
    one, two = cloud.params(key), cloud.params(key)
    with refused():
        cloud.put_wrapped(key, one, wrap.cryptography(two["PublicKey"], OAEP, os.urandom(32)))
    assert cloud.state(key) == "PendingImport"


@pytest.mark.parametrize(("asked", "used"), [(OAEP, "RSAES_OAEP_SHA_1"), ("RSAES_OAEP_SHA_1", OAEP), (KEY_WRAP, OAEP), (OAEP, KEY_WRAP)])
def test_wrapped_by_another_algorithm(cloud, refused, asked, used):
    key = cloud.key("ECC_NIST_P256")
    params = cloud.params(key, asked)
    with refused():
        cloud.put_wrapped(key, params, wrap.cryptography(params["PublicKey"], used, pairs.pkcs8(pairs.generate("ECC_NIST_P256"))))


def wrapped(cloud, key):
    params = cloud.params(key)
    return params, wrap.cryptography(params["PublicKey"], OAEP, os.urandom(32))


def test_token_lives_a_day(cloud, admin):
    key = cloud.key()
    params, blob = wrapped(cloud, key)
    admin.advance(hours=23, minutes=59)
    cloud.put_wrapped(key, params, blob)
    assert cloud.state(key) == "Enabled"


def test_token_after_a_day(cloud, admin, refused):
    key = cloud.key()
    params, blob = wrapped(cloud, key)
    admin.advance(days=1, seconds=1)
    with refused():
        cloud.put_wrapped(key, params, blob)
    assert cloud.state(key) == "PendingImport"


def spoil(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("how", ["garbage", "first", "last", "cut", "longer"])
def test_spoiled_token(cloud, refused, how):
    key = cloud.key()
    params, blob = wrapped(cloud, key)
    token = params["ImportToken"]
    spoiled = {"garbage": b"x" * 64, "first": spoil(token, 0), "last": spoil(token, len(token) - 1), "cut": token[:-1], "longer": token + b"x"}
    with refused():
        cloud.put_wrapped(key, {"ImportToken": spoiled[how]}, blob)
    cloud.put_wrapped(key, params, blob)


def test_token_of_another_key(cloud, refused):
    mine, other = cloud.key(), cloud.key()
    params, blob = wrapped(cloud, other)
    with refused():
        cloud.put_wrapped(mine, params, blob)
    cloud.put_wrapped(other, params, blob)


def test_token_of_another_region(cloud, connect, admin, refused):
    key = cloud.key()
    there = type(cloud)(connect("us-east-1"), admin)
    params, blob = wrapped(there, there.key())
    with refused():
        cloud.put_wrapped(key, params, blob)


@pytest.mark.parametrize("by", WRAPPERS)
@pytest.mark.parametrize("alg", ["RSAES_OAEP_SHA_1", OAEP])
@pytest.mark.parametrize(("spec", "digest"), [("HMAC_224", "sha224"), ("HMAC_256", "sha256"), ("HMAC_384", "sha384"), ("HMAC_512", "sha512")])
def test_what_was_wrapped_is_used(cloud, spec, digest, alg, by):
    material, key = os.urandom(int(spec[5:]) // 8), cloud.key(spec)
    cloud.put(key, material, alg, by=by)
    assert cloud.mac(key, f"HMAC_SHA_{spec[5:]}") == hmac.digest(material, b"a challenge", digest)


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA384(), hashes.SHA512()])
def test_oaep_with_another_hash(cloud, refused, digest):
    key = cloud.key()
    params = cloud.params(key)
    with refused():
        cloud.put_wrapped(key, params, wrap.oaep(params["PublicKey"], os.urandom(32), digest))


@pytest.mark.parametrize(("alg", "digest", "mgf"), [(OAEP, hashes.SHA256(), hashes.SHA1()), ("RSAES_OAEP_SHA_1", hashes.SHA1(), hashes.SHA256())])
def test_oaep_with_another_mgf(cloud, refused, alg, digest, mgf):
    key = cloud.key()
    params = cloud.params(key, alg)
    with refused():
        cloud.put_wrapped(key, params, wrap.oaep(params["PublicKey"], os.urandom(32), digest, mgf))


def test_oaep_with_a_label(cloud, refused):
    key = cloud.key()
    params = cloud.params(key)
    with refused():
        cloud.put_wrapped(key, params, wrap.oaep(params["PublicKey"], os.urandom(32), hashes.SHA256(), label=b"label"))


@pytest.mark.parametrize("how", ["random", "cut", "longer", "spoiled", "twice"])
def test_spoiled_block(cloud, refused, how):
    key = cloud.key()
    params, blob = wrapped(cloud, key)
    spoiled = {"random": b"\1" * 256, "cut": blob[:-1], "longer": blob + b"\0", "spoiled": spoil(blob, 100), "twice": blob + blob}
    with refused():
        cloud.put_wrapped(key, params, spoiled[how])
    assert cloud.state(key) == "PendingImport"


def key_wrapped(public, how):
    """A P-256 key under RSA_AES_KEY_WRAP_SHA_256, with something wrong."""
    material, kek = pairs.pkcs8(pairs.generate("ECC_NIST_P256")), os.urandom(32)
    first = wrap.oaep(public, kek, hashes.SHA256())
    second = keywrap.aes_key_wrap_with_padding(kek, material)
    return {
        "another AES key": first + keywrap.aes_key_wrap_with_padding(os.urandom(32), material),
        "RFC 3394": first + keywrap.aes_key_wrap(kek, material + bytes(-len(material) % 8)),
        "spoiled": first + spoil(second, 20),
        "cut": first + second[:-8],
        "nothing under the AES key": first,
        "nothing but the AES part": second,
        "the other way round": second + first,
    }[how]


@pytest.mark.parametrize("how", ["another AES key", "RFC 3394", "spoiled", "cut", "nothing under the AES key", "nothing but the AES part", "the other way round"])
def test_spoiled_key_wrap(cloud, refused, how):
    key = cloud.key("ECC_NIST_P256")
    params = cloud.params(key, KEY_WRAP)
    with refused():
        cloud.put_wrapped(key, params, key_wrapped(params["PublicKey"], how))
    assert cloud.state(key) == "PendingImport"


@pytest.mark.parametrize("size", [16, 24])
def test_key_wrap_with_a_smaller_aes_key(cloud, refused, size):
    key = cloud.key("ECC_NIST_P256")
    params = cloud.params(key, KEY_WRAP)
    material = pairs.pkcs8(pairs.generate("ECC_NIST_P256"))
    with refused():
        cloud.put_wrapped(key, params, wrap.key_wrap(params["PublicKey"], material, hashes.SHA256(), os.urandom(size)))


def test_report_knows_what_came(cloud, admin):
    material = os.urandom(32)
    cloud.symmetric(material)
    assert hashlib.sha256(material).hexdigest() in admin.call("GET", "/report")["materials"]
