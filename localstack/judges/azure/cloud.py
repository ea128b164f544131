"""Azure Key Vault and Managed HSM as a customer uses them, with the customer's side of
an import."""

import base64
import json

import pairs
import requests
import wrap
from azure.core.rest import HttpRequest
from azure.identity import CertificateCredential
from azure.keyvault.keys import JsonWebKey, KeyClient
from azure.keyvault.keys.crypto import CryptographyClient
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CURVES = {"P-256": "ECC_NIST_P256", "P-384": "ECC_NIST_P384", "P-521": "ECC_NIST_P521", "P-256K": "ECC_SECG_P256K1"}


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_cryptography(spki, material):
    return wrap.key_wrap(spki, material, hashes.SHA1())


def by_openssl(spki, material):
    return wrap.openssl(spki, "RSA_AES_KEY_WRAP_SHA_1", material)


def spki(key):
    """The public half of a JSON Web Key, in DER."""
    if key.n:
        numbers = rsa.RSAPublicNumbers(int.from_bytes(key.e, "big"), int.from_bytes(key.n, "big"))
    else:
        curve = pairs.CURVES[CURVES[key.crv]]
        numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(key.x, "big"), int.from_bytes(key.y, "big"), curve)
    return numbers.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class Cloud:
    kept = {}  # credentials of the default principal by emulator: they keep their token

    def __init__(self, place, admin):
        self.place = place
        self.admin = admin

    def options(self, **more):
        return {"connection_verify": self.place["ca"], "retry_total": 0, **more}

    def identity(self, kind=CertificateCredential, **more):
        """A credential of azure-identity; without more, the default principal's
        certificate."""
        settings = {"authority": self.place["authority"], "disable_instance_discovery": True, **self.options()}
        if kind is CertificateCredential and not more:
            more = {"certificate_path": self.place["certificate"]}
        return kind(tenant_id=self.place["tenant"], client_id=self.place["client_id"], **settings, **more)

    def keys(self, vault="premium", credential=None, **more):
        return KeyClient(self.place["vaults"][vault], credential or self.usual(), **self.options(**more))

    def usual(self):
        """The default principal's credential, made once."""
        where = self.place["authority"]
        if where not in self.kept:
            self.kept[where] = self.identity()
        return self.kept[where]

    def crypto(self, key_id, **more):
        """Cryptographic operations in the vault: a client that may not get the key does
        none of its own."""
        client = CryptographyClient(key_id, self.usual(), **self.options(**more))
        client._keys_get_forbidden = True
        return client

    def raw(self, method, path, vault="premium", **more):
        """A request without the SDK, with a token unless the headers say otherwise."""
        headers = {"Authorization": "Bearer " + self.place["bearer"]}
        headers.update(more.pop("headers", {}))
        headers = {name: value for name, value in headers.items() if value is not None}
        url = self.place["vaults"][vault] + path
        return requests.request(method, url, headers=headers, verify=self.place["ca"], timeout=30, **more)


def send(client, method, path, body=None):
    """A request of any shape through the SDK's pipeline; refused as the SDK refuses."""
    more = {} if body is None else {"json": body}
    answer = client.send_request(HttpRequest(method, path, **more))
    answer.raise_for_status()
    return answer.json() if answer.content else None


def kek(keys, name="kek", size=2048, **more):
    return keys.create_rsa_key(name, size=size, hardware_protected=True, key_operations=["import"], **more)


def envelope(kek, material, by=by_cryptography):
    """A key transfer blob as the specification says, as a dictionary."""
    return {
        "schema_version": "1.0.0",
        "header": {"kid": kek.id, "alg": "dir", "enc": "CKM_RSA_AES_KEY_WRAP"},
        "ciphertext": base64url(by(spki(kek.key), material)),
        "generator": "a judge; no HSM",
    }


def blob(kek, material, by=by_cryptography):
    return json.dumps(envelope(kek, material, by)).encode()


def bring(keys, name, kty, transfer, crv=None, ops=("sign", "verify"), hardware_protected=None, **more):
    """Imports a key transfer blob."""
    key = JsonWebKey(kty=kty, t=transfer, crv=crv, key_ops=ops and list(ops))
    return keys.import_key(name, key, hardware_protected=hardware_protected, **more)


def pair(kind):
    """A new pair: 2048, or "P-256"."""
    return pairs.generate(f"RSA_{kind}" if isinstance(kind, int) else CURVES[kind])
