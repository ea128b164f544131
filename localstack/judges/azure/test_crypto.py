"""Rules 45 and 46: cryptographic operations, held against Python's cryptography."""

import hashlib
import os

import cloud as c
import pairs
import pytest
import wrap
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives import padding as blocks
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVE = {"ES256": "P-256", "ES256K": "P-256K", "ES384": "P-384", "ES512": "P-521"}
RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]


def digest_of(alg, message=b"a challenge"):
    return hashlib.new("sha" + alg[2:5], message).digest()


def imported(keys, kind, ops=("sign", "verify")):
    """A pair that came as a blob; the pair and its key."""
    pair = c.pair(kind)
    kty, crv = ("RSA-HSM", None) if isinstance(kind, int) else ("EC-HSM", kind)
    return pair, c.bring(keys, "a", kty, c.blob(c.kek(keys), pairs.pkcs8(pair)), crv, ops)


def verifies(pair, alg, signature, message=b"a challenge"):
    public, digest = pair.public_key(), HASHES[alg[2:5]]
    if alg.startswith("ES"):
        half = len(signature) // 2
        r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        public.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(digest))
    elif alg.startswith("PS"):
        public.verify(signature, message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    else:
        public.verify(signature, message, padding.PKCS1v15(), digest)


@pytest.mark.parametrize("alg", [*RSA, *CURVE])
def test_sign_and_verify(cloud, keys, alg):
    pair, key = imported(keys, CURVE.get(alg, 2048))
    crypto = cloud.crypto(key.id)
    signed = crypto.sign(alg, digest_of(alg))
    assert signed.key_id == key.id
    verifies(pair, alg, signed.signature)
    assert crypto.verify(alg, digest_of(alg), signed.signature).is_valid is True
    assert crypto.verify(alg, digest_of(alg, b"another"), signed.signature).is_valid is False
    assert crypto.verify(alg, digest_of(alg), signed.signature[:-1]).is_valid is False


@pytest.mark.parametrize(
    ("kind", "alg", "size"),
    [
        ("P-256", "ES384", 48), ("P-256", "ES256K", 32), ("P-256", "RS256", 32), (2048, "ES256", 32), (2048, "HS256", 32), (2048, "none", 32),
        (2048, "RS256", 31), (2048, "RS256", 48), ("P-521", "ES512", 66), (2048, "RS256", 0), (2048, "RS2567", 32),
    ],
)
def test_sign_what_cannot_be(cloud, keys, refused, kind, alg, size):
    _, key = imported(keys, kind)
    with refused():
        c.send(keys, "POST", f"/keys/a/{key.properties.version}/sign", {"alg": alg, "value": c.base64url(bytes(size))})


@pytest.mark.parametrize("alg", ["RSA-OAEP", "RSA-OAEP-256"])
def test_rsa_both_ways(cloud, keys, alg):
    pair, key = imported(keys, 2048, ["encrypt", "decrypt", "wrapKey", "unwrapKey"])
    crypto = cloud.crypto(key.id)
    digest = hashes.SHA256() if alg.endswith("256") else hashes.SHA1()
    scheme = padding.OAEP(padding.MGF1(digest), digest, None)
    assert pair.decrypt(crypto.encrypt(alg, b"a challenge").ciphertext, scheme) == b"a challenge"
    assert pair.decrypt(crypto.wrap_key(alg, b"a key").encrypted_key, scheme) == b"a key"
    assert crypto.decrypt(alg, pair.public_key().encrypt(b"a challenge", scheme)).plaintext == b"a challenge"
    assert crypto.unwrap_key(alg, pair.public_key().encrypt(b"a key", scheme)).key == b"a key"


def symmetric(cloud, pool, size):
    material = os.urandom(size // 8)
    key = c.bring(pool, "a", "oct-HSM", c.blob(c.kek(pool), material), ops=["encrypt", "decrypt", "wrapKey", "unwrapKey"])
    return material, cloud.crypto(key.id)


@pytest.mark.parametrize("size", [128, 192, 256])
def test_gcm(cloud, pool, size):
    material, crypto = symmetric(cloud, pool, size)
    got = crypto.encrypt(f"A{size}GCM", b"a challenge", additional_authenticated_data=b"aad")
    assert AESGCM(material).decrypt(got.iv, got.ciphertext + got.tag, b"aad") == b"a challenge"
    assert got.iv != crypto.encrypt(f"A{size}GCM", b"a challenge").iv
    iv = os.urandom(12)
    sealed = AESGCM(material).encrypt(iv, b"another", b"aad")
    back = crypto.decrypt(f"A{size}GCM", sealed[:-16], iv=iv, authentication_tag=sealed[-16:], additional_authenticated_data=b"aad")
    assert back.plaintext == b"another"


@pytest.mark.parametrize("size", [128, 192, 256])
def test_cbc(cloud, pool, size):
    material, crypto = symmetric(cloud, pool, size)
    iv, plain = os.urandom(16), os.urandom(32)
    cipher = Cipher(algorithms.AES(material), modes.CBC(iv)).encryptor()
    assert crypto.encrypt(f"A{size}CBC", plain, iv=iv).ciphertext == cipher.update(plain)
    padder = blocks.PKCS7(128).padder()
    padded = padder.update(b"a challenge") + padder.finalize()
    cipher = Cipher(algorithms.AES(material), modes.CBC(iv)).encryptor()
    sealed = cipher.update(padded)
    assert crypto.encrypt(f"A{size}CBCPAD", b"a challenge", iv=iv).ciphertext == sealed
    assert crypto.decrypt(f"A{size}CBCPAD", sealed, iv=iv).plaintext == b"a challenge"
    assert crypto.decrypt(f"A{size}CBC", sealed, iv=iv).plaintext == padded


@pytest.mark.parametrize("size", [128, 192, 256])
def test_key_wrap(cloud, pool, size):
    material, crypto = symmetric(cloud, pool, size)
    other = os.urandom(32)
    assert crypto.wrap_key(f"A{size}KW", other).encrypted_key == keywrap.aes_key_wrap(material, other)
    assert crypto.unwrap_key(f"A{size}KW", keywrap.aes_key_wrap(material, other)).key == other


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("encrypt", {"alg": "A128GCM", "value": "AAAA"}),
        ("encrypt", {"alg": "A256GCM", "value": ""}),
        ("encrypt", {"alg": "A256GCM", "value": "AAAA", "iv": "AAAAAAAAAAAAAAAA"}),
        ("encrypt", {"alg": "A256CBC", "value": "AAAA", "iv": "A" * 22}),
        ("encrypt", {"alg": "A256CBCPAD", "value": "AAAA"}),
        ("encrypt", {"alg": "A256CBCPAD", "value": "AAAA", "iv": "AAAAAAAAAAAAAAAAAAAAAA", "aad": "AAAA"}),
        ("encrypt", {"alg": "RSA-OAEP", "value": "AAAA"}),
        ("encrypt", {"alg": "A256KW", "value": "A" * 32}),
        ("decrypt", {"alg": "A256GCM", "value": "AAAA", "iv": "AAAAAAAAAAAAAAAA", "tag": "A" * 22}),
        ("decrypt", {"alg": "A256GCM", "value": "AAAA", "iv": "AAAA", "tag": "AAAAAAAAAAAAAAAAAAAAAA"}),
        ("decrypt", {"alg": "A256CBCPAD", "value": "AAAAAAAAAAAAAAAAAAAAAA", "iv": "AAAAAAAAAAAAAAAAAAAAAA"}),
        ("wrapkey", {"alg": "A256KW", "value": "AAAA"}),
        ("unwrapkey", {"alg": "A256KW", "value": "A" * 32}),
        ("wrapkey", {"alg": "A256GCM", "value": "A" * 32}),
    ],
)
def test_symmetric_what_cannot_be(pool, refused, operation, body):
    pool.create_oct_key("a", size=256, hardware_protected=True)
    with refused():
        c.send(pool, "POST", "/keys/a/" + operation, body)


def test_rsa_what_cannot_be(cloud, keys, refused):
    key = keys.create_rsa_key("a", size=2048)
    for operation, body in [
        ("encrypt", {"alg": "RSA-OAEP", "value": c.base64url(bytes(215))}),
        ("encrypt", {"alg": "RSA-OAEP-512", "value": "AAAA"}),
        ("encrypt", {"alg": "RSA1_5", "value": "AAAA"}),
        ("encrypt", {"alg": "RSA-OAEP", "value": "AAAA", "iv": "AAAA"}),
        ("decrypt", {"alg": "RSA-OAEP", "value": c.base64url(bytes(256))}),
        ("decrypt", {"alg": "RSA-OAEP", "value": c.base64url(wrap.oaep(c.spki(key.key), b"a", hashes.SHA256()))}),
        ("decrypt", {"alg": "RSA-OAEP", "value": "AA=="}),
    ]:
        with refused():
            c.send(keys, "POST", "/keys/a/" + operation, body)
