"""Two wrappers that are not ours: Python's cryptography, and the OpenSSL command."""

import os
import subprocess
import tempfile

from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding


def hash_of(alg):
    return hashes.SHA1() if alg.endswith("SHA_1") else hashes.SHA256()


def oaep(spki, message, digest, mgf=None, label=None):
    public = serialization.load_der_public_key(spki)
    return public.encrypt(message, padding.OAEP(padding.MGF1(mgf or digest), digest, label))


def cryptography(spki, alg, material):
    """Wraps as AWS describes alg (Developer Guide, Importing key material, Step 3)."""
    if alg.startswith("RSAES_OAEP"):
        return oaep(spki, material, hash_of(alg))
    return key_wrap(spki, material, hash_of(alg))


def key_wrap(spki, material, digest, kek=None):
    """CKM_RSA_AES_KEY_WRAP: an ephemeral AES key in OAEP, then RFC 5649."""
    kek = kek or os.urandom(32)
    return oaep(spki, kek, digest) + keywrap.aes_key_wrap_with_padding(kek, material)


def openssl(spki, alg, material):
    """The same, by the OpenSSL command."""
    digest = "sha1" if alg.endswith("SHA_1") else "sha256"
    if alg.startswith("RSAES_OAEP"):
        return openssl_oaep(spki, digest, material)
    kek = os.urandom(32)
    wrapped = run("enc", "-id-aes256-wrap-pad", "-K", kek.hex(), "-iv", "A65959A6", stdin=material)
    return openssl_oaep(spki, digest, kek) + wrapped


def openssl_oaep(spki, digest, message):
    with tempfile.NamedTemporaryFile() as public:
        public.write(spki)
        public.flush()
        options = ("rsa_padding_mode:oaep", f"rsa_oaep_md:{digest}", f"rsa_mgf1_md:{digest}")
        flags = [part for option in options for part in ("-pkeyopt", option)]
        return run("pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", public.name, *flags, stdin=message)


def run(*args, stdin=b""):
    return subprocess.run(["openssl", *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout
