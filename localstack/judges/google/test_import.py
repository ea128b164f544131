"""Rules 10 to 21: wrapped material, what is in it, and what becomes of it."""

import os

import cloud as c
import pairs
import pytest
import wrap
from cloud import Algorithm, Method, State
from cryptography.hazmat.primitives import hashes, keywrap

RSA_METHODS = [m for m in Method if m.name.startswith("RSA_")]
HYBRID_METHODS = [m for m in RSA_METHODS if m.name.endswith("AES_256")]
DIRECT_METHODS = [m for m in RSA_METHODS if m not in HYBRID_METHODS]

WRAPPERS = {"cryptography": wrap.cryptography, "openssl": wrap.openssl}
MALFORMED = "couldn't be unwrapped or wasn't formatted correctly"


def arrived(cloud, version, pair):
    """Whether a version shows the pair's public key."""
    return c.der(cloud.call("get_public_key", {"name": version.name}).pem) == c.spki(pair)


def failed(version, reason=MALFORMED):
    assert version.state == State.IMPORT_FAILED, version
    assert reason in version.import_failure_reason, version.import_failure_reason


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("method", HYBRID_METHODS)
def test_hybrid_methods_take_any_key(cloud, method, wrapper):
    by = WRAPPERS[wrapper]
    for algorithm in (c.SYMMETRIC, c.P256, Algorithm.RSA_SIGN_PSS_2048_SHA256):
        key = cloud.key(algorithm.name, algorithm)
        if algorithm == c.SYMMETRIC:
            assert cloud.bring(key, algorithm, os.urandom(32), method, by=by).state == State.ENABLED
        else:
            pair = c.pair(algorithm)
            assert arrived(cloud, cloud.bring(key, algorithm, c.pkcs8(pair), method, by=by), pair)


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("method", DIRECT_METHODS)
def test_direct_methods_take_what_fits(cloud, method, wrapper):
    pair = c.pair(c.P256)
    by = WRAPPERS[wrapper]
    assert arrived(cloud, cloud.bring(cloud.key("p", c.P256), c.P256, c.pkcs8(pair), method, by=by), pair)
    assert cloud.bring(cloud.key("s"), c.SYMMETRIC, os.urandom(32), method, by=by).state == State.ENABLED


@pytest.mark.parametrize("method", DIRECT_METHODS)
def test_direct_methods_take_no_rsa(cloud, refused, method):
    key, job = cloud.key("r", Algorithm.RSA_SIGN_PSS_2048_SHA256), cloud.job(method)
    with refused():
        cloud.send(key, Algorithm.RSA_SIGN_PSS_2048_SHA256, job, bytes(384))


def test_direct_limits_are_those_of_oaep(cloud):
    for method, most in ((Method.RSA_OAEP_3072_SHA256, 318), (Method.RSA_OAEP_4096_SHA256, 446)):
        wrap.oaep(c.der(cloud.job(method).public_key.pem), bytes(most), hashes.SHA256())
        with pytest.raises(ValueError):
            wrap.oaep(c.der(cloud.job(method).public_key.pem), bytes(most + 1), hashes.SHA256())


SPOILS = {
    "other hash": lambda spki, secret: wrap.key_wrap(spki, secret, hashes.SHA1()),
    "other MGF1": lambda spki, secret: mixed(spki, secret, hashes.SHA1()),
    "a label": lambda spki, secret: mixed(spki, secret, hashes.SHA256(), b"label"),
    "AES-128": lambda spki, secret: wrap.key_wrap(spki, secret, hashes.SHA256(), os.urandom(16)),
    "tampered AES": lambda spki, secret: flip(wrap.key_wrap(spki, secret, hashes.SHA256()), -1),
    "tampered RSA": lambda spki, secret: flip(wrap.key_wrap(spki, secret, hashes.SHA256()), 5),
    "RFC 3394": lambda spki, secret: rfc3394(spki, secret) + bytes(8),
}


def mixed(spki, secret, mgf, label=None):
    kek = os.urandom(32)
    return wrap.oaep(spki, kek, hashes.SHA256(), mgf, label) + keywrap.aes_key_wrap_with_padding(kek, secret)


def rfc3394(spki, secret):
    kek = os.urandom(32)
    return wrap.oaep(spki, kek, hashes.SHA256()) + keywrap.aes_key_wrap(kek, secret)[:-8]


def flip(blob, at):
    blob = bytearray(blob)
    blob[at] ^= 1
    return bytes(blob)


@pytest.mark.parametrize("spoil", SPOILS)
def test_badly_wrapped_fails_later(cloud, spoil):
    job = cloud.job()
    blob = SPOILS[spoil](c.der(job.public_key.pem), os.urandom(32))
    version = cloud.send(cloud.key(), c.SYMMETRIC, job, blob)
    assert version.state == State.PENDING_IMPORT
    failed(cloud.get(version.name))


@pytest.mark.parametrize("spoil", SPOILS)
def test_badly_wrapped_is_refused(cloud, clean, refused, spoil):
    clean.settings(import_errors="refused")
    key, job = cloud.key(), cloud.job()
    with refused() as caught:
        cloud.send(key, c.SYMMETRIC, job, SPOILS[spoil](c.der(job.public_key.pem), os.urandom(32)))
    assert MALFORMED in str(caught.value)
    assert not list(cloud.call("list_crypto_key_versions", {"parent": key}))


LENGTHS = [
    (c.SYMMETRIC, c.HYBRID, 384, "Wrapped key is too short"),
    (c.SYMMETRIC, c.HYBRID, 10, "Wrapped key is too short"),
    (c.SYMMETRIC, c.HYBRID, 384 + 41, "Wrapped key does not consist of 64-bit blocks"),
    (c.SYMMETRIC, c.HYBRID, 384 + 48, "Wrapped key has invalid length"),
    (c.SYMMETRIC, c.DIRECT, 383, "Wrapped key has invalid length"),
    (c.P256, c.HYBRID, 384 + 24, "Wrapped ECDSA key has invalid length of 24"),
]


@pytest.mark.parametrize(("algorithm", "method", "size", "reason"), LENGTHS)
def test_bad_lengths_fail_later(cloud, algorithm, method, size, reason):
    failed(cloud.get(cloud.send(cloud.key("k", algorithm), algorithm, cloud.job(method), bytes(size)).name), reason)


@pytest.mark.parametrize("setting", ["lengths", "refused"])
@pytest.mark.parametrize(("algorithm", "method", "size", "reason"), LENGTHS)
def test_bad_lengths_are_refused(cloud, clean, refused, algorithm, method, size, reason, setting):
    clean.settings(import_errors=setting)
    key, job = cloud.key("k", algorithm), cloud.job(method)
    with refused() as caught:
        cloud.send(key, algorithm, job, bytes(size))
    assert reason in str(caught.value)


def test_contents_fail_later_where_lengths_are_refused(cloud, clean):
    clean.settings(import_errors="lengths")
    failed(cloud.get(cloud.send(cloud.key(), c.SYMMETRIC, cloud.job(), bytes(384 + 40)).name))


def test_legacy_field(cloud):
    job = cloud.job()
    request = {"parent": cloud.key(), "algorithm": c.SYMMETRIC, "import_job": job.name}
    version = cloud.call("import_crypto_key_version", {**request, "rsa_aes_wrapped_key": c.wrapped(job, bytes(32))})
    assert cloud.get(version.name).state == State.ENABLED


@pytest.mark.parametrize("fields", [[], ["wrapped_key", "rsa_aes_wrapped_key"]])
def test_both_fields_or_none(cloud, refused, fields):
    job = cloud.job()
    blob = c.wrapped(job, bytes(32))
    request = {"parent": cloud.key(), "algorithm": c.SYMMETRIC, "import_job": job.name}
    with refused():
        cloud.call("import_crypto_key_version", {**request, **dict.fromkeys(fields, blob)})


@pytest.mark.parametrize("algorithm", c.SECRETS)
def test_secret_of_its_length(cloud, algorithm):
    assert cloud.import_one(algorithm).state == State.ENABLED


@pytest.mark.parametrize("method", [c.HYBRID, c.DIRECT])
@pytest.mark.parametrize("off", [-8, -1, 1, 8])
@pytest.mark.parametrize("algorithm", c.SECRETS)
def test_secret_of_another_length(cloud, algorithm, off, method):
    reason = "Wrapped key has invalid length" if method == c.HYBRID and abs(off) == 8 else ""
    failed(cloud.import_one(algorithm, os.urandom(c.SECRETS[algorithm] + off), method=method), reason)


@pytest.mark.parametrize("algorithm", c.SECRETS)
def test_secret_of_another_length_is_refused(cloud, clean, refused, algorithm):
    clean.settings(import_errors="refused")
    key, job = cloud.key("k", algorithm), cloud.job()
    with refused():
        cloud.send(key, algorithm, job, c.wrapped(job, os.urandom(c.SECRETS[algorithm] - 1)))


@pytest.mark.parametrize("algorithm", c.PAIRS)
def test_pair_of_its_kind(cloud, algorithm):
    pair = c.pair(algorithm)
    assert arrived(cloud, cloud.import_one(algorithm, c.pkcs8(pair)), pair)


def others(algorithm):
    """PKCS#8 of pairs that are not the algorithm's."""
    kinds = [c.P256, Algorithm.EC_SIGN_P384_SHA384, Algorithm.EC_SIGN_SECP256K1_SHA256, Algorithm.EC_SIGN_ED25519]
    kinds += [Algorithm.RSA_SIGN_PSS_2048_SHA256, Algorithm.RSA_SIGN_PSS_3072_SHA256]
    own = type(c.pair(algorithm)), getattr(c.pair(algorithm), "key_size", 0), getattr(getattr(c.pair(algorithm), "curve", None), "name", "")
    for kind in kinds:
        pair = c.pair(kind)
        if (type(pair), getattr(pair, "key_size", 0), getattr(getattr(pair, "curve", None), "name", "")) != own:
            yield c.pkcs8(pair)


@pytest.mark.parametrize("algorithm", [*c.CURVES, Algorithm.EC_SIGN_ED25519, *c.RSA[:3]])
def test_pair_of_another_kind(cloud, algorithm):
    level = c.level_of(algorithm)
    key = cloud.key("k", algorithm, level)
    for secret in others(algorithm):
        failed(cloud.bring(key, algorithm, secret, level=level), "")


def test_pair_of_another_kind_is_refused(cloud, clean, refused):
    clean.settings(import_errors="refused")
    key, job = cloud.key("k", c.P256), cloud.job()
    for secret in others(c.P256):
        with refused():
            cloud.send(key, c.P256, job, c.wrapped(job, secret))


FORMS = {
    "SEC 1": lambda pair: pairs.traditional(pair),
    "encrypted": lambda pair: pairs.encrypted(pair),
    "explicit curve": lambda pair: pairs.explicit(),
    "bytes that follow": lambda pair: c.pkcs8(pair) + b"\0",
    "cut off": lambda pair: c.pkcs8(pair)[:-1],
    "PEM": lambda pair: pair.private_bytes(
        c.serialization.Encoding.PEM, c.serialization.PrivateFormat.PKCS8, c.serialization.NoEncryption()
    ),
    "public key": lambda pair: c.spki(pair),
    "another public key": lambda pair: pairs.p256(bytes(31) + b"\7", pairs.point(pair)),
    "scalar of zero": lambda pair: pairs.p256(bytes(32)),
}


@pytest.mark.parametrize("form", FORMS)
def test_pair_in_another_form(cloud, form):
    failed(cloud.import_one(c.P256, FORMS[form](c.pair(c.P256))), "")


def test_pair_without_its_public_key(cloud):
    pair = c.pair(c.P256)
    scalar = pair.private_numbers().private_value.to_bytes(32, "big")
    assert arrived(cloud, cloud.import_one(c.P256, pairs.p256(scalar)), pair)


MISFITS = [
    (c.SYMMETRIC, c.P256),
    (c.SYMMETRIC, Algorithm.AES_256_GCM),
    (c.P256, Algorithm.RSA_DECRYPT_OAEP_2048_SHA256),
    (Algorithm.RSA_DECRYPT_OAEP_2048_SHA256, Algorithm.RSA_SIGN_PSS_2048_SHA256),
    (Algorithm.HMAC_SHA256, c.SYMMETRIC),
    (Algorithm.AES_256_GCM, Algorithm.HMAC_SHA256),
]


@pytest.mark.parametrize(("key", "algorithm"), MISFITS)
def test_algorithm_of_another_purpose(cloud, refused, key, algorithm):
    name, job = cloud.key("k", key), cloud.job()
    with refused():
        cloud.send(name, algorithm, job, bytes(400))


@pytest.mark.parametrize(("key", "algorithm"), MISFITS)
def test_template_of_another_purpose(cloud, refused, key, algorithm):
    with refused():
        cloud.key("k", key, version_template={"algorithm": algorithm}, purpose=c.purpose_of(key))


def test_no_algorithm(cloud, refused):
    key, job = cloud.key(), cloud.job()
    with refused():
        cloud.send(key, 0, job, bytes(424))


def test_algorithm_need_not_be_the_templates(cloud):
    key, pair = cloud.key("k", Algorithm.EC_SIGN_P384_SHA384), c.pair(c.P256)
    version = cloud.bring(key, c.P256, c.pkcs8(pair))
    assert version.algorithm == c.P256
    assert arrived(cloud, version, pair)


@pytest.mark.parametrize("algorithm", [Algorithm.PQ_SIGN_ML_DSA_65, Algorithm.EXTERNAL_SYMMETRIC_ENCRYPTION])
def test_algorithms_that_are_not_modelled(cloud, refused, algorithm):
    key, job = cloud.key(), cloud.job()
    with refused():
        cloud.send(key, algorithm, job, bytes(424))


def test_secp256k1_is_for_hsms(cloud, refused):
    with refused():
        cloud.key("k", Algorithm.EC_SIGN_SECP256K1_SHA256)


def test_import_ends_enabled(cloud):
    job = cloud.job()
    version = cloud.send(cloud.key(), c.SYMMETRIC, job, c.wrapped(job, bytes(32)))
    assert version.state == State.PENDING_IMPORT
    assert (version.import_job, version.algorithm) == (job.name, c.SYMMETRIC)
    assert "import_time" not in version and "generate_time" not in version
    got = cloud.get(version.name)
    assert got.state == State.ENABLED
    assert "import_time" in got and "generate_time" not in got
    assert not got.import_failure_reason and not got.reimport_eligible


def test_import_stays_pending_for_gets(cloud, clean):
    key, job = cloud.key(), cloud.job()
    clean.settings(import_reads=2)
    name = cloud.send(key, c.SYMMETRIC, job, c.wrapped(job, bytes(32))).name
    assert [cloud.get(name).state for _ in range(3)] == [State.PENDING_IMPORT, State.PENDING_IMPORT, State.ENABLED]


def test_import_stays_pending_for_a_time(cloud, clean):
    key, job = cloud.key(), cloud.job()
    clean.settings(import_for=600)
    name = cloud.send(key, c.SYMMETRIC, job, c.wrapped(job, bytes(32))).name
    assert cloud.get(name).state == State.PENDING_IMPORT
    clean.advance(minutes=10)
    assert cloud.get(name).state == State.ENABLED


def idle(cloud, clean, state):
    """A version that is pending for ever, or failed."""
    key, job = cloud.key(), cloud.job()
    clean.settings(import_for=1e9 if state == State.PENDING_IMPORT else 0)
    secret = bytes(32) if state == State.PENDING_IMPORT else bytes(31)
    return cloud.get(cloud.send(key, c.SYMMETRIC, job, c.wrapped(job, secret)).name)


@pytest.mark.parametrize("state", [State.PENDING_IMPORT, State.IMPORT_FAILED])
def test_version_without_material_does_nothing(cloud, clean, refused, state):
    version = idle(cloud, clean, state)
    assert version.state == state
    key = c.parent(version.name)
    for act in (
        lambda: cloud.call("encrypt", {"name": version.name, "plaintext": b"a"}),
        lambda: cloud.update(version.name, State.ENABLED),
        lambda: cloud.update(version.name, State.DISABLED),
        lambda: cloud.destroy(version.name),
        lambda: cloud.restore(version.name),
        lambda: cloud.primary(key, "1"),
    ):
        with refused():
            act()


def test_failed_material_is_discarded(cloud):
    version = cloud.import_one(secret=bytes(31))
    failed(version, "")
    assert "import_time" not in version
    assert version.reimport_eligible
    assert cloud.admin.call("GET", "/report")["names"]["k"]["versions"] == 0


def test_numbers_are_sequential(cloud):
    key = cloud.key()
    numbers = [cloud.bring(key, c.SYMMETRIC, os.urandom(32 - n % 2)).name.rsplit("/", 1)[1] for n in range(4)]
    assert numbers == ["1", "2", "3", "4"]
