"""Rules 32 to 39: what versions compute, held against Python's cryptography."""

import hashlib
import hmac
import os

import cloud as c
import castagnoli as crc
import pytest
from cloud import Algorithm, Level, State
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from google.cloud import kms_v1

MESSAGE = b"a challenge"
EC_HASH = {a: hashes.SHA384() if a.name.endswith("SHA384") else hashes.SHA256() for a in c.CURVES}
RSA_SIGN = [a for a in c.RSA if a.name.startswith("RSA_SIGN")]
RSA_RAW = [a for a in RSA_SIGN if "RAW" in a.name]
RSA_HASHED = [a for a in RSA_SIGN if a not in RSA_RAW]
RSA_DECRYPT = [a for a in c.RSA if a not in RSA_SIGN]
MACS = [a for a in c.SECRETS if a.name.startswith("HMAC")]


def hash_of(algorithm):
    if algorithm in EC_HASH:
        return EC_HASH[algorithm]
    return getattr(hashes, algorithm.name.rsplit("_", 1)[1])()


def digest_field(algorithm, message=MESSAGE):
    name = hash_of(algorithm).name
    return {name: hashlib.new(name, message).digest()}


def verify(algorithm, public, signature, message=MESSAGE):
    if algorithm == Algorithm.EC_SIGN_ED25519:
        public.verify(signature, message)
    elif algorithm in c.CURVES:
        public.verify(signature, message, ec.ECDSA(hash_of(algorithm)))
    else:
        h = hash_of(algorithm)
        pad = padding.PSS(padding.MGF1(h), h.digest_size) if "PSS" in algorithm.name else padding.PKCS1v15()
        public.verify(signature, message, pad, h)


def sign(cloud, version, **fields):
    return cloud.call("asymmetric_sign", {"name": version.name, **fields})


@pytest.mark.parametrize("algorithm", [*c.CURVES, *RSA_HASHED])
def test_signs_digests_and_data(cloud, algorithm):
    pair = c.pair(algorithm)
    version = cloud.import_one(algorithm, c.pkcs8(pair))
    for fields in ({"digest": digest_field(algorithm)}, {"data": MESSAGE}):
        signed = sign(cloud, version, **fields)
        assert signed.name == version.name
        verify(algorithm, pair.public_key(), signed.signature)
        with pytest.raises(InvalidSignature):
            verify(algorithm, pair.public_key(), signed.signature, b"another")


def test_ed25519_signs_data(cloud):
    pair = c.pair(Algorithm.EC_SIGN_ED25519)
    version = cloud.import_one(Algorithm.EC_SIGN_ED25519, c.pkcs8(pair))
    verify(Algorithm.EC_SIGN_ED25519, pair.public_key(), sign(cloud, version, data=MESSAGE).signature)


@pytest.mark.parametrize("algorithm", RSA_RAW)
def test_raw_signs_what_it_is_given(cloud, algorithm):
    pair = c.pair(algorithm)
    version = cloud.import_one(algorithm, c.pkcs8(pair))
    signature = sign(cloud, version, data=MESSAGE).signature
    assert pair.public_key().recover_data_from_signature(signature, padding.PKCS1v15(), None) == MESSAGE


def test_raw_takes_eleven_bytes_less(cloud, refused):
    version = cloud.import_one(Algorithm.RSA_SIGN_RAW_PKCS1_2048)
    sign(cloud, version, data=bytes(256 - 11))
    with refused():
        sign(cloud, version, data=bytes(256 - 10))


@pytest.mark.parametrize(
    ("algorithm", "fields"),
    [
        (c.P256, {}),
        (c.P256, {"digest": {"sha256": bytes(32)}, "data": MESSAGE}),
        (c.P256, {"digest": {"sha384": bytes(48)}}),
        (c.P256, {"digest": {"sha256": bytes(31)}}),
        (Algorithm.EC_SIGN_P384_SHA384, {"digest": {"sha256": bytes(32)}}),
        (Algorithm.EC_SIGN_ED25519, {"digest": {"sha512": bytes(64)}}),
        (Algorithm.RSA_SIGN_PKCS1_4096_SHA512, {"digest": {"sha256": bytes(32)}}),
        (Algorithm.RSA_SIGN_RAW_PKCS1_2048, {"digest": {"sha256": bytes(32)}}),
    ],
)
def test_signs_nothing_else(cloud, refused, algorithm, fields):
    version = cloud.import_one(algorithm)
    with refused():
        sign(cloud, version, **fields)


@pytest.mark.parametrize("algorithm", RSA_DECRYPT)
def test_decrypts_what_its_public_key_encrypted(cloud, algorithm):
    pair, h = c.pair(algorithm), hash_of(algorithm)
    version = cloud.import_one(algorithm, c.pkcs8(pair))
    sealed = pair.public_key().encrypt(MESSAGE, padding.OAEP(padding.MGF1(h), h, None))
    answer = cloud.call("asymmetric_decrypt", {"name": version.name, "ciphertext": sealed})
    assert answer.plaintext == MESSAGE
    assert answer.plaintext_crc32c == crc.of(MESSAGE)


def test_does_not_decrypt_for_others(cloud, refused):
    version = cloud.import_one(Algorithm.RSA_DECRYPT_OAEP_2048_SHA256)
    pair = c.pair(Algorithm.RSA_DECRYPT_OAEP_2048_SHA256)
    other = pair.public_key().encrypt(MESSAGE, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
    for sealed in (other, bytes(256), b""):
        with refused():
            cloud.call("asymmetric_decrypt", {"name": version.name, "ciphertext": sealed})


@pytest.mark.parametrize("algorithm", c.PAIRS)
def test_public_key(cloud, algorithm):
    pair = c.pair(algorithm)
    version = cloud.import_one(algorithm, c.pkcs8(pair))
    public = cloud.call("get_public_key", {"name": version.name})
    assert (public.name, public.algorithm, public.protection_level) == (version.name, algorithm, c.level_of(algorithm))
    assert public.pem_crc32c == crc.of(public.pem.encode())
    assert c.der(public.pem) == c.spki(pair)
    assert public.pem.endswith("-----END PUBLIC KEY-----\n")


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_public_key_in_a_format(cloud, form):
    pair = c.pair(c.P256)
    version = cloud.import_one(c.P256, c.pkcs8(pair))
    request = {"name": version.name, "public_key_format": kms_v1.PublicKey.PublicKeyFormat[form]}
    public = cloud.call("get_public_key", request)
    load = serialization.load_pem_public_key if form == "PEM" else serialization.load_der_public_key
    assert load(public.public_key.data) == pair.public_key()
    assert public.public_key.crc32c_checksum == crc.of(public.public_key.data)
    assert not public.pem


def test_public_key_in_a_format_of_others(cloud, refused):
    version = cloud.import_one(c.P256)
    with refused():
        request = {"name": version.name, "public_key_format": kms_v1.PublicKey.PublicKeyFormat.NIST_PQC}
        cloud.call("get_public_key", request)


@pytest.mark.parametrize("algorithm", [c.SYMMETRIC, Algorithm.HMAC_SHA256, Algorithm.AES_256_GCM])
def test_secrets_have_no_public_key(cloud, refused, algorithm):
    version = cloud.import_one(algorithm)
    with refused():
        cloud.call("get_public_key", {"name": version.name})


@pytest.mark.parametrize("algorithm", MACS)
def test_mac(cloud, algorithm):
    secret = os.urandom(c.SECRETS[algorithm])
    version = cloud.import_one(algorithm, secret)
    want = hmac.new(secret, MESSAGE, hash_of(algorithm).name).digest()
    signed = cloud.call("mac_sign", {"name": version.name, "data": MESSAGE})
    assert (signed.mac, signed.name, signed.mac_crc32c) == (want, version.name, crc.of(want))
    for mac in (want, bytes(len(want)), want[:-1]):
        answer = cloud.call("mac_verify", {"name": version.name, "data": MESSAGE, "mac": mac})
        assert (answer.success, answer.verified_success_integrity) == (mac == want, mac == want)


def test_mac_of_too_much(cloud, refused):
    version = cloud.import_one(Algorithm.HMAC_SHA256)
    with refused():
        cloud.call("mac_sign", {"name": version.name, "data": bytes((64 << 10) + 1)})
    with refused():
        cloud.call("mac_verify", {"name": version.name, "data": MESSAGE})


def encrypt(cloud, name, **more):
    return cloud.call("encrypt", {"name": name, "plaintext": MESSAGE, **more})


def test_primary_encrypts(cloud):
    key = c.parent(cloud.import_one().name)
    cloud.primary(key, "1")
    sealed = encrypt(cloud, key, additional_authenticated_data=b"more")
    assert sealed.name == f"{key}/cryptoKeyVersions/1"
    request = {"name": key, "ciphertext": sealed.ciphertext, "additional_authenticated_data": b"more"}
    opened = cloud.call("decrypt", request)
    assert (opened.plaintext, opened.used_primary, opened.plaintext_crc32c) == (MESSAGE, True, crc.of(MESSAGE))


def test_version_encrypts(cloud):
    version = cloud.import_one()
    key = c.parent(version.name)
    opened = cloud.call("decrypt", {"name": key, "ciphertext": encrypt(cloud, version.name).ciphertext})
    assert (opened.plaintext, opened.used_primary) == (MESSAGE, False)


def test_key_without_primary_encrypts_nothing(cloud, refused):
    with refused():
        encrypt(cloud, c.parent(cloud.import_one().name))


def test_decrypts_nothing_else(cloud, refused):
    key, other = c.parent(cloud.import_one(name="a").name), c.parent(cloud.import_one(name="b").name)
    sealed = encrypt(cloud, f"{key}/cryptoKeyVersions/1").ciphertext
    for request in (
        {"name": other, "ciphertext": sealed},
        {"name": key, "ciphertext": sealed[:-1]},
        {"name": key, "ciphertext": b"nothing of ours"},
        {"name": key, "ciphertext": sealed, "additional_authenticated_data": b"more"},
    ):
        with refused():
            cloud.call("decrypt", request)


@pytest.mark.parametrize(("level", "size"), [(Level.SOFTWARE, 64 << 10), (Level.HSM, 8 << 10)])
def test_most_that_is_encrypted(cloud, refused, level, size):
    version = cloud.bring(cloud.key(level=level), c.SYMMETRIC, bytes(32), level=level)
    assert encrypt(cloud, version.name, plaintext=bytes(size)).ciphertext
    with refused():
        encrypt(cloud, version.name, plaintext=bytes(size + 1))


def test_hsm_counts_both_fields(cloud, refused):
    version = cloud.bring(cloud.key(level=Level.HSM), c.SYMMETRIC, bytes(32), level=Level.HSM)
    with refused():
        encrypt(cloud, version.name, plaintext=bytes(4 << 10), additional_authenticated_data=bytes((4 << 10) + 1))


def test_checksums_are_verified(cloud):
    version = cloud.import_one(Algorithm.HMAC_SHA256)
    request = {"name": version.name, "data": MESSAGE, "data_crc32c": crc.of(MESSAGE)}
    signed = cloud.call("mac_sign", request)
    assert signed.verified_data_crc32c
    assert not cloud.call("mac_sign", {"name": version.name, "data": MESSAGE}).verified_data_crc32c
    verified = cloud.call("mac_verify", {**request, "mac": signed.mac, "mac_crc32c": crc.of(signed.mac)})
    assert verified.verified_data_crc32c and verified.verified_mac_crc32c


def test_checksums_of_encryption_are_verified(cloud):
    name = cloud.import_one().name
    more = {"additional_authenticated_data": b"more", "additional_authenticated_data_crc32c": crc.of(b"more")}
    sealed = encrypt(cloud, name, plaintext_crc32c=crc.of(MESSAGE), **more)
    assert sealed.verified_plaintext_crc32c and sealed.verified_additional_authenticated_data_crc32c
    assert sealed.ciphertext_crc32c == crc.of(sealed.ciphertext)
    request = {"name": c.parent(name), "ciphertext": sealed.ciphertext, "ciphertext_crc32c": crc.of(sealed.ciphertext)}
    assert cloud.call("decrypt", {**request, **more}).plaintext == MESSAGE


def test_checksums_of_signatures_are_verified(cloud):
    version = cloud.import_one(c.P256)
    digest = hashlib.sha256(MESSAGE).digest()
    signed = sign(cloud, version, digest={"sha256": digest}, digest_crc32c=crc.of(digest))
    assert signed.verified_digest_crc32c and not signed.verified_data_crc32c
    assert signed.signature_crc32c == crc.of(signed.signature)
    assert sign(cloud, version, data=MESSAGE, data_crc32c=crc.of(MESSAGE)).verified_data_crc32c


@pytest.mark.parametrize(
    ("algorithm", "method", "field"),
    [
        (Algorithm.HMAC_SHA256, "mac_sign", "data"),
        (Algorithm.HMAC_SHA256, "mac_verify", "mac"),
        (c.SYMMETRIC, "encrypt", "plaintext"),
        (c.SYMMETRIC, "encrypt", "additional_authenticated_data"),
        (c.SYMMETRIC, "decrypt", "ciphertext"),
        (c.P256, "asymmetric_sign", "data"),
        (Algorithm.RSA_DECRYPT_OAEP_2048_SHA256, "asymmetric_decrypt", "ciphertext"),
        (Algorithm.AES_256_CTR, "raw_encrypt", "initialization_vector"),
        (Algorithm.AES_256_CTR, "raw_decrypt", "ciphertext"),
    ],
)
def test_wrong_checksums(cloud, refused, algorithm, method, field):
    name = cloud.import_one(algorithm).name
    if method == "decrypt":
        name = c.parent(name)
    with refused() as caught:
        cloud.call(method, {"name": name, field: bytes(16), f"{field}_crc32c": 1})
    assert "checksum" in str(caught.value)


USES = {
    c.SYMMETRIC: ("encrypt", {"plaintext": b"a"}),
    c.P256: ("asymmetric_sign", {"data": b"a"}),
    Algorithm.RSA_DECRYPT_OAEP_2048_SHA256: ("asymmetric_decrypt", {"ciphertext": bytes(256)}),
    Algorithm.HMAC_SHA256: ("mac_sign", {"data": b"a"}),
    Algorithm.AES_256_CTR: ("raw_encrypt", {"plaintext": b"a"}),
}


@pytest.mark.parametrize("algorithm", USES)
def test_other_purposes_use(cloud, refused, algorithm):
    version = cloud.import_one(algorithm)
    for other, (method, fields) in USES.items():
        if other != algorithm:
            with refused():
                cloud.call(method, {"name": version.name, **fields})


@pytest.mark.parametrize("algorithm", USES)
def test_disabled_is_not_used(cloud, refused, algorithm):
    version = cloud.import_one(algorithm)
    cloud.update(version.name, State.DISABLED)
    method, fields = USES[algorithm]
    with refused() as caught:
        cloud.call(method, {"name": version.name, **fields})
    assert f"{version.name} is not enabled, current state is: DISABLED." in str(caught.value)
    violations = [(v.type, v.subject) for detail in caught.value.details for v in detail.violations]
    assert violations == [("KEY_DISABLED", version.name)]


def test_public_key_of_a_disabled_version(cloud, refused):
    version = cloud.import_one(c.P256)
    cloud.update(version.name, State.DISABLED)
    with refused():
        cloud.call("get_public_key", {"name": version.name})


def test_destroyed_is_not_used(cloud, refused):
    version, _ = cloud.destroyed()
    with refused():
        encrypt(cloud, version.name)


def test_enabled_again_is_used(cloud):
    version = cloud.import_one()
    cloud.update(version.name, State.DISABLED)
    cloud.update(version.name, State.ENABLED)
    assert encrypt(cloud, version.name).ciphertext
