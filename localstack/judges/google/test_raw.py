"""Raw encryption, held against Python's cryptography."""

import os

import cloud as c
import pytest
from cloud import Algorithm
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from test_crypto import MESSAGE

RAW = [a for a in c.SECRETS if a.name.startswith("AES")]


def mode_of(algorithm, iv):
    return {"CBC": modes.CBC, "CTR": modes.CTR}[algorithm.name[-3:]](iv)


def reference(algorithm, secret, iv, text, extra=b""):
    if algorithm.name.endswith("GCM"):
        return AESGCM(secret).encrypt(iv, text, extra)
    sealer = Cipher(algorithms.AES(secret), mode_of(algorithm, iv)).encryptor()
    return sealer.update(text) + sealer.finalize()


@pytest.mark.parametrize("algorithm", RAW)
def test_raw_encryption_is_the_standards(cloud, algorithm):
    secret, text = os.urandom(c.SECRETS[algorithm]), os.urandom(48)
    version = cloud.import_one(algorithm, secret)
    extra = b"more" if algorithm.name.endswith("GCM") else b""
    request = {"name": version.name, "plaintext": text, "additional_authenticated_data": extra}
    sealed = cloud.call("raw_encrypt", request)
    iv = sealed.initialization_vector
    assert len(iv) == (12 if algorithm.name.endswith("GCM") else 16)
    assert sealed.tag_length == (16 if algorithm.name.endswith("GCM") else 0)
    assert sealed.ciphertext == reference(algorithm, secret, iv, text, extra)
    assert cloud.call("raw_encrypt", request).initialization_vector != iv


@pytest.mark.parametrize("algorithm", RAW)
def test_raw_decryption_takes_the_clients_vector(cloud, algorithm):
    secret, text = os.urandom(c.SECRETS[algorithm]), os.urandom(48)
    version = cloud.import_one(algorithm, secret)
    iv = os.urandom(12 if algorithm.name.endswith("GCM") else 16)
    sealed = reference(algorithm, secret, iv, text)
    request = {"name": version.name, "ciphertext": sealed, "initialization_vector": iv}
    assert cloud.call("raw_decrypt", request).plaintext == text


@pytest.mark.parametrize("algorithm", [a for a in RAW if not a.name.endswith("GCM")])
def test_raw_encryption_takes_the_clients_vector(cloud, algorithm):
    secret, text, iv = os.urandom(c.SECRETS[algorithm]), os.urandom(32), os.urandom(16)
    version = cloud.import_one(algorithm, secret)
    sealed = cloud.call("raw_encrypt", {"name": version.name, "plaintext": text, "initialization_vector": iv})
    assert sealed.ciphertext == reference(algorithm, secret, iv, text)


def test_gcm_takes_a_vector_leniently(cloud, clean):
    clean.settings(lenient=True)
    secret, iv = os.urandom(32), os.urandom(12)
    version = cloud.import_one(Algorithm.AES_256_GCM, secret)
    request = {"name": version.name, "plaintext": MESSAGE, "initialization_vector": iv}
    assert cloud.call("raw_encrypt", request).ciphertext == AESGCM(secret).encrypt(iv, MESSAGE, b"")


@pytest.mark.parametrize(
    ("algorithm", "fields"),
    [
        (Algorithm.AES_256_GCM, {"initialization_vector": bytes(12)}),
        (Algorithm.AES_256_CBC, {"initialization_vector": bytes(15)}),
        (Algorithm.AES_256_CBC, {"plaintext": bytes(17)}),
        (Algorithm.AES_256_CBC, {"additional_authenticated_data": b"more"}),
        (Algorithm.AES_128_CTR, {"additional_authenticated_data": b"more"}),
        (Algorithm.AES_128_CTR, {"plaintext": bytes((64 << 10) + 1)}),
    ],
)
def test_raw_encryption_of_nothing_else(cloud, refused, algorithm, fields):
    version = cloud.import_one(algorithm)
    with refused():
        cloud.call("raw_encrypt", {"name": version.name, "plaintext": bytes(16), **fields})


@pytest.mark.parametrize(
    ("algorithm", "fields"),
    [
        (Algorithm.AES_256_GCM, {"initialization_vector": bytes(12)}),
        (Algorithm.AES_256_GCM, {"initialization_vector": bytes(16)}),
        (Algorithm.AES_256_GCM, {"initialization_vector": bytes(12), "tag_length": 12}),
        (Algorithm.AES_256_CBC, {"initialization_vector": bytes(16), "tag_length": 16}),
        (Algorithm.AES_256_CBC, {"initialization_vector": bytes(16), "ciphertext": bytes(17)}),
        (Algorithm.AES_128_CTR, {}),
    ],
)
def test_raw_decryption_of_nothing_else(cloud, refused, algorithm, fields):
    version = cloud.import_one(algorithm)
    with refused():
        cloud.call("raw_decrypt", {"name": version.name, "ciphertext": bytes(32), **fields})
