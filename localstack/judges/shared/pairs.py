"""Key pairs as a customer's tools write them."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import wrap

CURVES = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}


def generate(spec):
    if spec.startswith("RSA_"):
        return rsa.generate_private_key(65537, int(spec[4:]))
    return ec.generate_private_key(CURVES[spec])


def pkcs8(pair):
    return private(pair, serialization.PrivateFormat.PKCS8)


def traditional(pair):
    """PKCS#1 for RSA, SEC 1 for EC."""
    return private(pair, serialization.PrivateFormat.TraditionalOpenSSL)


def encrypted(pair):
    return private(pair, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"password"))


def private(pair, form, encryption=serialization.NoEncryption()):
    return pair.private_bytes(serialization.Encoding.DER, form, encryption)


def spki(pair):
    return pair.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def explicit():
    """A P-256 key that spells its curve out instead of naming it."""
    pem = wrap.run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-param_enc", "explicit")
    return wrap.run("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", stdin=pem)


def der(tag, *parts):
    """One DER element."""
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


EC_OID = bytes.fromhex("06072a8648ce3d0201")
P256_OID = bytes.fromhex("06082a8648ce3d030107")


def p256(scalar, point=None):
    """A P-256 key in PKCS#8 from raw parts; without point, its optional public key
    is left out."""
    parts = [der(0x02, b"\1"), der(0x04, scalar)]
    if point:
        parts.append(der(0xA1, der(0x03, b"\0" + point)))
    return der(0x30, der(0x02, b"\0"), der(0x30, EC_OID, P256_OID), der(0x04, der(0x30, *parts)))


def integer(n):
    return der(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def rsa_pkcs8(version, *numbers):
    """An RSA key in PKCS#8 from raw parts."""
    rsa_oid = bytes.fromhex("06092a864886f70d010101")
    inner = der(0x30, integer(version), *map(integer, numbers))
    return der(0x30, der(0x02, b"\0"), der(0x30, rsa_oid, b"\5\0"), der(0x04, inner))


def point(pair):
    return pair.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
