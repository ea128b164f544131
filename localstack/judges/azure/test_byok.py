"""Rules 22 to 32: the Key Exchange Key, the blob and what is in it."""

import json
import os

import cloud as c
import pairs
import pytest
import wrap
from azure.keyvault.keys import KeyClient
from cryptography.hazmat.primitives import hashes, keywrap


@pytest.mark.parametrize("vault", ["premium", "pool"])
@pytest.mark.parametrize("size", [2048, 3072, 4096])
def test_kek_of_any_size(cloud, vault, size):
    keys = cloud.keys(vault)
    kek, pair = c.kek(keys, size=size), c.pair("P-256")
    assert (kek.key_type, kek.key_operations, len(kek.key.n)) == ("RSA-HSM", ["import"], size // 8)
    assert c.spki(c.bring(keys, "a", "EC-HSM", c.blob(kek, pairs.pkcs8(pair)), "P-256").key) == pairs.spki(pair)


@pytest.mark.parametrize("ops", [["import", "wrapKey"], ["encrypt", "import"], ["import", "import"]])
def test_kek_with_other_operations(keys, refused, ops):
    with refused():
        keys.create_rsa_key("kek", size=2048, hardware_protected=True, key_operations=ops)


@pytest.mark.parametrize("body", [{"kty": "RSA"}, {"kty": "EC-HSM", "crv": "P-256"}])
def test_kek_of_another_type(keys, refused, body):
    with refused():
        c.send(keys, "POST", "/keys/kek/create", {**body, "key_ops": ["import"]})


def test_kek_does_nothing_else(cloud, keys, refused):
    kek = c.kek(keys)
    crypto = cloud.crypto(kek.id)
    for call in (
        lambda: crypto.encrypt("RSA-OAEP", b"a"),
        lambda: crypto.wrap_key("RSA-OAEP", b"a"),
        lambda: crypto.unwrap_key("RSA-OAEP", bytes(256)),
        lambda: crypto.sign("RS256", bytes(32)),
    ):
        with refused():
            call()


def test_kek_cannot_be_imported(keys, refused):
    kek = c.kek(keys)
    with refused():
        c.bring(keys, "a", "RSA-HSM", c.blob(kek, pairs.pkcs8(c.pair(2048))), ops=["import"])


def test_any_version_of_the_kek(keys):
    old, pair = c.kek(keys), c.pair("P-256")
    c.kek(keys)
    assert c.spki(c.bring(keys, "a", "EC-HSM", c.blob(old, pairs.pkcs8(pair)), "P-256").key) == pairs.spki(pair)


def swap(kid, **parts):
    """A key identifier with other parts."""
    base, name, version = kid.rpartition("/keys/")[0], *kid.rpartition("/keys/")[2].split("/")
    parts = {"base": base, "name": name, "version": version, **parts}
    return "{base}/keys/{name}/{version}".format(**parts).rstrip("/")


@pytest.mark.parametrize(
    "parts",
    [
        {"name": "gone"},
        {"version": "0" * 32},
        {"version": ""},
        {"version": "latest"},
        {"base": "https://premium.vault.azure.net"},
        {"base": "http://premium.vault.localhost"},
    ],
)
def test_kek_that_is_not_there(keys, refused, parts):
    kek = c.kek(keys)
    transfer = c.envelope(kek, pairs.pkcs8(c.pair("P-256")))
    transfer["header"]["kid"] = swap(kek.id, **parts)
    with refused():
        c.bring(keys, "a", "EC-HSM", json.dumps(transfer).encode(), "P-256")


def test_kek_of_another_vault(cloud, keys, refused):
    kek = c.kek(cloud.keys("other"))
    c.kek(keys)
    with refused():
        c.bring(keys, "a", "EC-HSM", c.blob(kek, pairs.pkcs8(c.pair("P-256"))), "P-256")


def test_kek_that_is_none(keys, refused):
    """An RSA-HSM key that may wrap, but not import."""
    wrapper = keys.create_rsa_key("wrapper", size=2048, hardware_protected=True)
    with refused():
        c.bring(keys, "a", "EC-HSM", c.blob(wrapper, pairs.pkcs8(c.pair("P-256"))), "P-256")


def test_kek_disabled(keys, refused):
    kek = c.kek(keys)
    transfer = c.blob(kek, pairs.pkcs8(c.pair("P-256")))
    keys.update_key_properties("kek", enabled=False)
    with refused():
        c.bring(keys, "a", "EC-HSM", transfer, "P-256")


def test_kek_deleted(keys, refused):
    kek = c.kek(keys)
    transfer = c.blob(kek, pairs.pkcs8(c.pair("P-256")))
    keys.begin_delete_key("kek").wait()
    with refused():
        c.bring(keys, "a", "EC-HSM", transfer, "P-256")


@pytest.mark.parametrize("when", ["before", "after"])
def test_kek_outside_of_its_dates(cloud, keys, refused, when):
    now = int(cloud.admin.now().timestamp())
    dates = {"nbf": now + 3600} if when == "before" else {"exp": now - 3600}
    made = c.send(keys, "POST", "/keys/kek/create", {"kty": "RSA-HSM", "key_ops": ["import"], "attributes": dates})
    kek = keys.get_key("kek", made["key"]["kid"].rpartition("/")[2])
    with refused():
        c.bring(keys, "a", "EC-HSM", c.blob(kek, pairs.pkcs8(c.pair("P-256"))), "P-256")


def test_blob_with_spaces(keys):
    transfer = c.envelope(c.kek(keys), pairs.pkcs8(c.pair("P-256")))
    del transfer["generator"]
    c.bring(keys, "a", "EC-HSM", json.dumps(transfer, indent=2).encode() + b"\n", "P-256")


def spoilt(transfer):
    """Blobs of which one thing is not as the specification says."""
    for member in ("schema_version", "header", "ciphertext"):
        yield {name: value for name, value in transfer.items() if name != member}
    for member in ("kid", "alg", "enc"):
        yield {**transfer, "header": {name: value for name, value in transfer["header"].items() if name != member}}
    yield {**transfer, "schema_version": "1.0"}
    yield {**transfer, "schema_version": "2.0.0"}
    yield {**transfer, "header": {**transfer["header"], "alg": "RSA-OAEP"}}
    yield {**transfer, "header": {**transfer["header"], "enc": "CKM_RSA_AES_KEY_WRAP_PAD"}}
    yield {**transfer, "header": {**transfer["header"], "zip": "DEF"}}
    yield {**transfer, "more": 1}
    yield {**transfer, "ciphertext": ""}
    yield {**transfer, "ciphertext": transfer["ciphertext"] + "=="}
    yield {**transfer, "ciphertext": "+" + transfer["ciphertext"][1:]}
    yield {**transfer, "ciphertext": transfer["ciphertext"][:-4]}
    yield [transfer]


def test_blob_spoilt(keys, refused):
    kek = c.kek(keys)
    for transfer in spoilt(c.envelope(kek, pairs.pkcs8(c.pair("P-256")))):
        with refused():
            c.bring(keys, "a", "EC-HSM", json.dumps(transfer).encode(), "P-256")
    for raw in (b"", b"{", b"null", c.blob(kek, pairs.pkcs8(c.pair("P-256"))) + b"{}"):
        with refused():
            c.bring(keys, "a", "EC-HSM", raw or b" ", "P-256")


@pytest.mark.parametrize("by", [c.by_cryptography, c.by_openssl])
@pytest.mark.parametrize("kind", [2048, "P-384"])
def test_two_wrappers(keys, by, kind):
    kek, pair = c.kek(keys), c.pair(kind)
    kty, crv = ("RSA-HSM", None) if kind == 2048 else ("EC-HSM", kind)
    made = c.bring(keys, "a", kty, c.blob(kek, pairs.pkcs8(pair), by), crv)
    assert c.spki(made.key) == pairs.spki(pair)


def sha256_layer(spki, material):
    return wrap.key_wrap(spki, material, hashes.SHA256())


def mixed_hashes(spki, material):
    kek = os.urandom(32)
    return wrap.oaep(spki, kek, hashes.SHA1(), hashes.SHA256()) + keywrap.aes_key_wrap_with_padding(kek, material)


def with_label(spki, material):
    kek = os.urandom(32)
    return wrap.oaep(spki, kek, hashes.SHA1(), label=b"label") + keywrap.aes_key_wrap_with_padding(kek, material)


def short_ephemeral(spki, material):
    return wrap.key_wrap(spki, material, hashes.SHA1(), os.urandom(16))


def without_padding(spki, material):
    kek = os.urandom(32)
    return wrap.oaep(spki, kek, hashes.SHA1()) + keywrap.aes_key_wrap(kek, material + bytes(-len(material) % 8))


def tampered(spki, material):
    wrapped = bytearray(c.by_cryptography(spki, material))
    wrapped[-1] ^= 1
    return bytes(wrapped)


def direct(spki, material):
    return wrap.oaep(spki, material[:64], hashes.SHA1())


def another_key(_, material):
    return c.by_cryptography(pairs.spki(c.pair(2048)), material)


def swapped(spki, material):
    wrapped = c.by_cryptography(spki, material)
    return wrapped[256:] + wrapped[:256]


@pytest.mark.parametrize(
    "by", [sha256_layer, mixed_hashes, with_label, short_ephemeral, without_padding, tampered, direct, another_key, swapped]
)
def test_wrong_layers(keys, refused, by):
    kek = c.kek(keys)
    with refused():
        c.bring(keys, "a", "EC-HSM", c.blob(kek, pairs.pkcs8(c.pair("P-256")), by), "P-256")


@pytest.mark.parametrize("size", [2048, 3072, 4096])
@pytest.mark.parametrize("vault", ["premium", "pool"])
def test_rsa_target(cloud, vault, size):
    keys, pair = cloud.keys(vault), c.pair(size)
    made = c.bring(keys, "a", "RSA-HSM", c.blob(c.kek(keys), pairs.pkcs8(pair)))
    assert (made.key_type, c.spki(made.key)) == ("RSA-HSM", pairs.spki(pair))


def not_rsa():
    pair = c.pair(2048)
    whole = pairs.pkcs8(pair)
    return {
        "pkcs1": pairs.traditional(pair),
        "spki": pairs.spki(pair),
        "encrypted": pairs.encrypted(pair),
        "more follows": whole + b"\0",
        "cut off": whole[:-1],
        "of 1024 bits": pairs.pkcs8(pairs.generate("RSA_1024")),
        "ec": pairs.pkcs8(c.pair("P-256")),
        "raw": os.urandom(32),
    }


def test_not_an_rsa_target(keys, refused):
    kek = c.kek(keys)
    for material in not_rsa().values():
        with refused():
            c.bring(keys, "a", "RSA-HSM", c.blob(kek, material))


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521", "P-256K"])
@pytest.mark.parametrize("vault", ["premium", "pool"])
def test_ec_target(cloud, vault, curve):
    keys, pair = cloud.keys(vault), c.pair(curve)
    made = c.bring(keys, "a", "EC-HSM", c.blob(c.kek(keys), pairs.pkcs8(pair)), curve)
    assert (made.key_type, made.key.crv, c.spki(made.key)) == ("EC-HSM", curve, pairs.spki(pair))


@pytest.mark.parametrize("curve", [None, "P-384", "P-256K", "P-224"])
def test_curve_missing_or_wrong(keys, refused, curve):
    kek = c.kek(keys)
    with refused():
        c.bring(keys, "a", "EC-HSM", c.blob(kek, pairs.pkcs8(c.pair("P-256"))), curve)


def test_not_an_ec_target(keys, refused):
    kek, pair = c.kek(keys), c.pair("P-256")
    scalar = pair.private_numbers().private_value.to_bytes(32, "big")
    other = pairs.point(c.pair("P-256"))
    for material in (
        pairs.traditional(pair), pairs.explicit(), pairs.pkcs8(pair) + b"\0", pairs.p256(scalar, other), pairs.p256(bytes(32)),
        pairs.p256(scalar[1:]), pairs.pkcs8(c.pair(2048)),
    ):
        with refused():
            c.bring(keys, "a", "EC-HSM", c.blob(kek, material), "P-256")


@pytest.mark.parametrize("size", [128, 192, 256])
def test_symmetric_into_a_pool(cloud, pool, size):
    """What the pool encrypts, the material decrypts."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    material = os.urandom(size // 8)
    made = c.bring(pool, "a", "oct-HSM", c.blob(c.kek(pool), material), ops=["encrypt", "decrypt"])
    got = cloud.crypto(made.id).encrypt(f"A{size}GCM", b"a challenge", additional_authenticated_data=b"aad")
    assert AESGCM(material).decrypt(got.iv, got.ciphertext + got.tag, b"aad") == b"a challenge"


@pytest.mark.parametrize("size", [15, 31, 33, 64])
def test_symmetric_of_another_length(pool, refused, size):
    kek = c.kek(pool)
    with refused():
        c.bring(pool, "a", "oct-HSM", c.blob(kek, os.urandom(size)), ops=["encrypt"])


def test_symmetric_into_a_vault(keys, refused):
    kek = c.kek(keys)
    with refused():
        c.bring(keys, "a", "oct-HSM", c.blob(kek, os.urandom(32)), ops=["encrypt"])


@pytest.mark.parametrize(("kty", "kind"), [("RSA", 2048), ("EC", "P-256")])
def test_software_target(keys, kty, kind):
    """Supported as target key types for testing."""
    pair = c.pair(kind)
    made = c.bring(keys, "a", kty, c.blob(c.kek(keys), pairs.pkcs8(pair)), kind if kty == "EC" else None)
    assert (made.key_type, c.spki(made.key)) == (kty, pairs.spki(pair))


def test_software_target_in_a_pool(pool, refused):
    kek = c.kek(pool)
    with refused():
        c.bring(pool, "a", "RSA", c.blob(kek, pairs.pkcs8(c.pair(2048))))


def test_operations_as_given(keys):
    made = c.bring(keys, "a", "RSA-HSM", c.blob(c.kek(keys), pairs.pkcs8(c.pair(2048))), ops=["decrypt", "unwrapKey"])
    assert made.key_operations == ["decrypt", "unwrapKey"]


@pytest.mark.parametrize("ops", [None, ["wrapKey"], ["dance"]])
def test_operations_missing_or_wrong(keys, refused, ops):
    kek = c.kek(keys)
    with refused():
        c.bring(keys, "a", "EC-HSM", c.blob(kek, pairs.pkcs8(c.pair("P-256"))), "P-256", ops=ops)


def test_standard_vault_holds_software(cloud):
    made = cloud.keys("standard").create_rsa_key("a", size=2048)
    assert made.key_type == "RSA"


@pytest.mark.parametrize("body", [{"kty": "RSA-HSM"}, {"kty": "RSA-HSM", "key_ops": ["import"]}, {"kty": "EC-HSM", "crv": "P-256"}])
def test_standard_vault_holds_no_hsm_keys(cloud, refused, body):
    with refused():
        c.send(cloud.keys("standard"), "POST", "/keys/a/create", body)


def test_public_part_only(keys: KeyClient):
    pair = c.pair(2048)
    body = {"key": {"kty": "RSA-HSM", "key_ops": ["sign"], "key_hsm": c.base64url(c.blob(c.kek(keys), pairs.pkcs8(pair)))}}
    answer = c.send(keys, "PUT", "/keys/a", body)
    assert set(answer["key"]) == {"kid", "kty", "key_ops", "n", "e"}
    assert answer["attributes"]["hsmPlatform"] == "2"
    assert c.send(keys, "POST", "/keys/b/create", {"kty": "RSA"})["attributes"]["hsmPlatform"] == "0"
