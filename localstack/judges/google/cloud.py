"""Cloud KMS as a customer uses it, with the customer's side of an import."""

import os

import grpc
import wrap
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from google.cloud import kms_v1
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport

Algorithm = kms_v1.CryptoKeyVersion.CryptoKeyVersionAlgorithm
Level = kms_v1.ProtectionLevel
Method = kms_v1.ImportJob.ImportMethod
Purpose = kms_v1.CryptoKey.CryptoKeyPurpose
State = kms_v1.CryptoKeyVersion.CryptoKeyVersionState

HYBRID = Method.RSA_OAEP_3072_SHA256_AES_256
DIRECT = Method.RSA_OAEP_3072_SHA256

SYMMETRIC = Algorithm.GOOGLE_SYMMETRIC_ENCRYPTION
P256 = Algorithm.EC_SIGN_P256_SHA256

SECRETS = {
    SYMMETRIC: 32,
    **{Algorithm[f"AES_{bits}_{mode}"]: bits // 8 for bits in (128, 256) for mode in ("GCM", "CBC", "CTR")},
    **{Algorithm[f"HMAC_SHA{name}"]: size for name, size in ((1, 20), (224, 28), (256, 32), (384, 48), (512, 64))},
}
CURVES = {
    P256: ec.SECP256R1(),
    Algorithm.EC_SIGN_P384_SHA384: ec.SECP384R1(),
    Algorithm.EC_SIGN_SECP256K1_SHA256: ec.SECP256K1(),
}
RSA = [a for a in Algorithm if a.name.startswith("RSA_")]
PAIRS = [*CURVES, Algorithm.EC_SIGN_ED25519, *RSA]
IMPORTABLE = [*SECRETS, *PAIRS]

made = {}  # pairs of earlier tests: RSA takes long


def purpose_of(algorithm):
    for prefix, purpose in (
        ("GOOGLE", Purpose.ENCRYPT_DECRYPT),
        ("AES", Purpose.RAW_ENCRYPT_DECRYPT),
        ("HMAC", Purpose.MAC),
        ("RSA_DECRYPT", Purpose.ASYMMETRIC_DECRYPT),
    ):
        if algorithm.name.startswith(prefix):
            return purpose
    return Purpose.ASYMMETRIC_SIGN


def level_of(algorithm):
    """The level that takes the algorithm."""
    return Level.HSM if algorithm == Algorithm.EC_SIGN_SECP256K1_SHA256 else Level.SOFTWARE


def bits_of(algorithm):
    return next(int(part) for part in algorithm.name.split("_") if part in ("2048", "3072", "4096"))


def pair(algorithm):
    """A pair of the algorithm's kind; of RSA the same one for each size."""
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm])
    if algorithm == Algorithm.EC_SIGN_ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    bits = bits_of(algorithm)
    if bits not in made:
        made[bits] = rsa.generate_private_key(65537, bits)
    return made[bits]


def pkcs8(key):
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def material(algorithm):
    return os.urandom(SECRETS[algorithm]) if algorithm in SECRETS else pkcs8(pair(algorithm))


def der(pem):
    """The SubjectPublicKeyInfo in a PEM."""
    return serialization.load_pem_public_key(pem.encode()).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def words(method):
    """An import method as the wrappers call it."""
    kind = "RSA_AES_KEY_WRAP" if method.name.endswith("AES_256") else "RSAES_OAEP"
    return f"{kind}_SHA_{'1' if 'SHA1' in method.name else '256'}"


def wrapped(job, key, by=wrap.cryptography):
    return by(der(job.public_key.pem), words(job.import_method), key)


def channel(place, token):
    """A channel under the run CA, with a bearer token on each call."""
    with open(place["ca"], "rb") as ca:
        tls = grpc.ssl_channel_credentials(ca.read())
    if token:
        tls = grpc.composite_channel_credentials(tls, grpc.access_token_call_credentials(token))
    return grpc.secure_channel(place["addr"], tls)


class Cloud:
    def __init__(self, place, admin, channel):
        self.place = place
        self.admin = admin
        self.channel = channel
        self.kms = kms_v1.KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))
        self.ring = place["rings"]["main"]
        self.jobs = {}
        self.made = 0

    def call(self, method, request, **more):
        """A call that is sent once."""
        return getattr(self.kms, method)(request=request, retry=None, **more)

    def key_request(self, name="k", algorithm=SYMMETRIC, level=Level.SOFTWARE, ring=None, skip=True, **more):
        template = {"algorithm": algorithm, "protection_level": level}
        key = {"purpose": purpose_of(algorithm), "import_only": True, "version_template": template, **more}
        return {
            "parent": ring or self.ring,
            "crypto_key_id": name,
            "crypto_key": key,
            "skip_initial_version_creation": skip,
        }

    def key(self, name="k", algorithm=SYMMETRIC, level=Level.SOFTWARE, **more):
        """An import-only key; its name."""
        return self.call("create_crypto_key", self.key_request(name, algorithm, level, **more)).name

    def job_request(self, name="j", method=HYBRID, level=Level.SOFTWARE, ring=None):
        job = {"import_method": method, "protection_level": level}
        return {"parent": ring or self.ring, "import_job_id": name, "import_job": job}

    def new_job(self, *args, **more):
        """An import job as its creation answers."""
        return self.call("create_import_job", self.job_request(*args, **more))

    def get_job(self, name, **more):
        return self.call("get_import_job", {"name": name, **more})

    def job(self, method=HYBRID, level=Level.SOFTWARE):
        """An import job of the main ring that is ACTIVE, the same for each method and level."""
        if (method, level) not in self.jobs:
            self.made += 1
            made = self.new_job(f"job-{self.made}", method, level)
            self.jobs[method, level] = self.get_job(made.name)
        return self.jobs[method, level]

    def send(self, key, algorithm, job, blob, **more):
        """An import as its answer shows it."""
        request = {"parent": key, "algorithm": algorithm, "import_job": job.name, "wrapped_key": blob, **more}
        return self.call("import_crypto_key_version", request)

    def get(self, version):
        return self.call("get_crypto_key_version", {"name": version})

    def bring(self, key, algorithm, secret, method=HYBRID, level=Level.SOFTWARE, by=wrap.cryptography, **more):
        """Imports; the version as it is afterwards."""
        job = self.job(method, level)
        return self.get(self.send(key, algorithm, job, wrapped(job, secret, by), **more).name)

    def import_one(self, algorithm=SYMMETRIC, secret=None, name="k", **more):
        """A key with a version of imported material; the version."""
        level = level_of(algorithm)
        key = self.key(name, algorithm, level)
        return self.bring(key, algorithm, secret or material(algorithm), level=level, **more)

    def update(self, version, state):
        request = {"crypto_key_version": {"name": version, "state": state}, "update_mask": {"paths": ["state"]}}
        return self.call("update_crypto_key_version", request)

    def destroy(self, version):
        return self.call("destroy_crypto_key_version", {"name": version})

    def restore(self, version):
        return self.call("restore_crypto_key_version", {"name": version})

    def destroyed(self, algorithm=SYMMETRIC, secret=None, name="k"):
        """A version whose imported material was destroyed; and that material."""
        secret = secret or material(algorithm)
        version = self.import_one(algorithm, secret, name)
        self.destroy(version.name)
        self.admin.advance(days=31)
        self.jobs.clear()  # they have expired
        return self.get(version.name), secret

    def primary(self, key, number):
        return self.call("update_crypto_key_primary_version", {"name": key, "crypto_key_version_id": number})

    def fault(self, **rule):
        self.admin.call("POST", "/faults", rule)

    def permit(self, *permissions):
        """What the limited principal may do."""
        principal = {"email": self.place["limited"], "permissions": list(permissions)}
        self.admin.call("POST", "/config", {"principals": [principal]})

    def raw(self, method, request, answer, metadata=()):
        """A call without what the generated client adds."""
        call = self.channel.unary_unary(
            f"/google.cloud.kms.v1.KeyManagementService/{method}",
            request_serializer=type(request).serialize,
            response_deserializer=answer.deserialize,
        )
        return call(request, metadata=metadata)


def parent(name):
    return name.rsplit("/", 2)[0]
