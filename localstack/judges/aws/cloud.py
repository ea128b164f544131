"""AWS KMS as a customer uses it, with the customer's side of an import."""

import datetime
import os

import wrap

OAEP = "RSAES_OAEP_SHA_256"
KEY_WRAP = "RSA_AES_KEY_WRAP_SHA_256"
DAY = datetime.timedelta(days=1)


def usage_of(spec):
    if spec.startswith("HMAC"):
        return "GENERATE_VERIFY_MAC"
    return "ENCRYPT_DECRYPT" if spec == "SYMMETRIC_DEFAULT" else "SIGN_VERIFY"


class Cloud:
    def __init__(self, kms, admin):
        self.kms = kms
        self.admin = admin

    def key(self, spec="SYMMETRIC_DEFAULT", **more):
        """An EXTERNAL key without material; its id."""
        request = {"Origin": "EXTERNAL", "KeySpec": spec, "KeyUsage": usage_of(spec)}
        return self.kms.create_key(**{**request, **more})["KeyMetadata"]["KeyId"]

    def params(self, key, alg=OAEP, size="RSA_2048"):
        return self.kms.get_parameters_for_import(KeyId=key, WrappingAlgorithm=alg, WrappingKeySpec=size)

    def put(self, key, material, alg=OAEP, size="RSA_2048", by=wrap.cryptography, **more):
        """Imports material that never ends, unless more says so."""
        params = self.params(key, alg, size)
        return self.put_wrapped(key, params, by(params["PublicKey"], alg, material), **more)

    def put_wrapped(self, key, params, wrapped, **more):
        request = {
            "KeyId": key,
            "ImportToken": params["ImportToken"],
            "EncryptedKeyMaterial": wrapped,
            "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        }
        request = {**request, **more}
        return self.kms.import_key_material(**{k: v for k, v in request.items() if v is not None})

    def put_until(self, key, material, end, **more):
        return self.put(key, material, ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=end, **more)

    def symmetric(self, material=None):
        """A symmetric key with material; its id and the material's id."""
        key = self.key()
        return key, self.put(key, material or os.urandom(32))["KeyMaterialId"]

    def rotated(self, count=2):
        """A symmetric key with so many materials, the last one current; the key's
        id, the materials and their ids."""
        key = self.key()
        materials = [os.urandom(32) for _ in range(count)]
        ids = [self.put(key, materials[0])["KeyMaterialId"]]
        for material in materials[1:]:
            ids.append(self.put(key, material, ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"])
            self.kms.rotate_key_on_demand(KeyId=key)
        return key, materials, ids

    def describe(self, key):
        return self.kms.describe_key(KeyId=key)["KeyMetadata"]

    def state(self, key):
        return self.describe(key)["KeyState"]

    def materials(self, key):
        """All materials of a key: their id to their state."""
        listed = self.kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
        return {entry["KeyMaterialId"]: entry["KeyMaterialState"] for entry in listed}

    def encrypt(self, key, text=b"a challenge"):
        return self.kms.encrypt(KeyId=key, Plaintext=text)["CiphertextBlob"]

    def mac(self, key, alg="HMAC_SHA_256", message=b"a challenge"):
        return self.kms.generate_mac(KeyId=key, MacAlgorithm=alg, Message=message)["Mac"]

    def in_days(self, days):
        return self.admin.now() + days * DAY
