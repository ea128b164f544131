"""Rules 27 to 31: paging, consistency, quotas, and what is never said."""

import base64
import json
import os

import pairs
import pytest
from cloud import KEY_WRAP, OAEP


def pages(operation, entries, **request):
    """All entries, page by page, as an SDK without a paginator would."""
    got, sizes, marker = [], [], None
    while True:
        page = operation(**request, **({"Marker": marker} if marker else {}))
        got += page[entries]
        sizes.append(len(page[entries]))
        assert page["Truncated"] == ("NextMarker" in page)
        if not page["Truncated"]:
            return got, sizes
        marker = page["NextMarker"]
        assert len(sizes) < 50


def test_pages_of_keys(cloud):
    keys = {cloud.key() for _ in range(7)}
    got, sizes = pages(cloud.kms.list_keys, "Keys", Limit=3)
    assert {k["KeyId"] for k in got} == keys and len(got) == 7 and sizes == [3, 3, 1]
    assert all(k["KeyArn"].endswith("key/" + k["KeyId"]) for k in got)


def test_pages_of_aliases_tags_and_rotations(cloud):
    key, _, ids = cloud.rotated(4)
    for i in range(5):
        cloud.kms.create_alias(AliasName=f"alias/{i}", TargetKeyId=key)
    cloud.kms.tag_resource(KeyId=key, Tags=[{"TagKey": f"t{i}", "TagValue": ""} for i in range(5)])
    got, _ = pages(cloud.kms.list_aliases, "Aliases", Limit=2)
    assert sorted(a["AliasName"] for a in got) == [f"alias/{i}" for i in range(5)]
    got, _ = pages(cloud.kms.list_aliases, "Aliases", Limit=2, KeyId=key)
    assert len(got) == 5 and all(a["TargetKeyId"] == key for a in got)
    got, _ = pages(cloud.kms.list_resource_tags, "Tags", Limit=2, KeyId=key)
    assert sorted(t["TagKey"] for t in got) == [f"t{i}" for i in range(5)]
    got, _ = pages(cloud.kms.list_key_rotations, "Rotations", Limit=1, KeyId=key)
    assert sorted(r["KeyMaterialId"] for r in got) == sorted(ids[1:])


def test_short_pages(cloud, admin):
    keys = {cloud.key() for _ in range(5)}
    admin.settings(page_size=2)
    got, sizes = pages(cloud.kms.list_keys, "Keys", Limit=1000)
    assert {k["KeyId"] for k in got} == keys and max(sizes) <= 2
    paginator = cloud.kms.get_paginator("list_keys")
    assert {k["KeyId"] for page in paginator.paginate() for k in page["Keys"]} == keys


def test_default_page_of_keys_has_a_hundred(cloud):
    for _ in range(101):
        cloud.key()
    _, sizes = pages(cloud.kms.list_keys, "Keys")
    assert sizes == [100, 1]


@pytest.mark.parametrize("operation", ["list_keys", "list_aliases"])
def test_bad_marker(cloud, refused, operation):
    with refused():
        getattr(cloud.kms, operation)(Marker="no-such-marker")


@pytest.mark.parametrize(("operation", "limit"), [("list_keys", 0), ("list_keys", 1001), ("list_aliases", 0), ("list_aliases", 101)])
def test_limit_out_of_range(cloud, refused, operation, limit):
    with refused():
        getattr(cloud.kms, operation)(Limit=limit)


def test_consistent_unless_asked(cloud):
    key = cloud.key()
    assert cloud.describe(key)["KeyId"] == key
    assert [k["KeyId"] for k in cloud.kms.list_keys()["Keys"]] == [key]


def test_new_key_is_hidden_for_a_while(cloud, admin, refused):
    admin.settings(hidden_for=5)
    key = cloud.key()
    with refused():
        cloud.describe(key)
    with refused():
        cloud.params(key)
    assert cloud.kms.list_keys()["Keys"] == []
    admin.advance(seconds=6)
    assert cloud.state(key) == "PendingImport"
    assert [k["KeyId"] for k in cloud.kms.list_keys()["Keys"]] == [key]


def test_new_key_is_hidden_for_some_reads(cloud, admin, refused):
    admin.settings(hidden_reads=2)
    key = cloud.key()
    for _ in range(2):
        with refused():
            cloud.describe(key)
    assert cloud.state(key) == "PendingImport"


def test_new_state_is_seen_late(cloud, admin):
    key = cloud.key()
    admin.settings(hidden_for=5)
    cloud.put(key, os.urandom(32))
    assert cloud.state(key) == "PendingImport"
    admin.advance(seconds=6)
    assert cloud.state(key) == "Enabled"


def test_no_quota_unless_asked(cloud):
    for _ in range(30):
        cloud.key()


def test_one_wrapping_key_a_second(cloud, admin, refused):
    key = cloud.key()
    admin.settings(quotas=True)
    cloud.params(key)
    with refused():
        cloud.params(key)
    admin.advance(seconds=1)
    cloud.params(key)


def test_five_keys_a_second(cloud, admin, refused):
    admin.settings(quotas=True)
    with refused():
        for _ in range(12):
            cloud.key()
    assert 5 <= len(cloud.kms.list_keys()["Keys"]) < 12


def test_quota_is_of_a_region_and_an_operation(cloud, connect, admin):
    key = cloud.key()
    there = type(cloud)(connect("us-east-1"), admin)
    key_there = there.key()
    admin.settings(quotas=True)
    cloud.params(key)
    there.params(key_there)
    assert cloud.state(key) == "PendingImport"


def test_rates_can_be_set(cloud, admin):
    key = cloud.key()
    admin.settings(quotas=True, rates={"GetParametersForImport": 1000})
    for _ in range(4):
        cloud.params(key)


def test_create_twice_makes_two(cloud):
    tags = [{"TagKey": "effect", "TagValue": "1"}]
    one, two = cloud.key(Tags=tags), cloud.key(Tags=tags)
    assert one != two
    assert {k["KeyId"] for k in cloud.kms.list_keys()["Keys"]} == {one, two}


def hmac_key(cloud):
    key = cloud.key("HMAC_256")
    cloud.put(key, os.urandom(32))
    return key


def test_true_mac(cloud):
    key = hmac_key(cloud)
    got = cloud.kms.verify_mac(KeyId=key, MacAlgorithm="HMAC_SHA_256", Message=b"a challenge", Mac=cloud.mac(key))
    assert got["MacValid"] is True


def test_false_mac(cloud, refused):
    key = hmac_key(cloud)
    with refused():
        cloud.kms.verify_mac(KeyId=key, MacAlgorithm="HMAC_SHA_256", Message=b"another", Mac=cloud.mac(key))


def test_use_for_something_else(cloud, refused):
    with refused():
        cloud.encrypt(hmac_key(cloud))
    with refused():
        cloud.mac(cloud.symmetric()[0])
    with refused():
        cloud.mac(hmac_key(cloud), "HMAC_SHA_512")


def test_material_is_never_said(cloud, admin):
    heard = []
    cloud.kms.meta.events.register("response-received.kms", lambda response_dict, **_: heard.append(response_dict["body"]))
    secret, pair = os.urandom(32), pairs.generate("ECC_NIST_P256")
    key = cloud.key()
    cloud.put(key, secret)
    cloud.put(key, secret)
    hmac_id = cloud.key("HMAC_256")
    cloud.put(hmac_id, secret)
    ec_id = cloud.key("ECC_NIST_P256")
    cloud.put(ec_id, pairs.pkcs8(pair), KEY_WRAP)
    cloud.encrypt(key), cloud.mac(hmac_id), cloud.kms.get_public_key(KeyId=ec_id), cloud.materials(key)
    for each in (key, hmac_id, ec_id):
        cloud.describe(each)
        cloud.kms.delete_imported_key_material(KeyId=each)
    heard.append(json.dumps(admin.call("GET", "/report")).encode())
    heard.append(json.dumps(admin.call("GET", "/calls")).encode())
    scalar = pair.private_numbers().private_value.to_bytes(32, "big")
    assert len(heard) > 12
    for said in heard:
        decoded = [said] + [base64.b64decode(v) for v in strings(json.loads(said)) if is_base64(v)]
        for material in (secret, scalar):
            for form in (material, material.hex().encode(), material.hex().upper().encode(), base64.b64encode(material)):
                assert not any(form in text for text in decoded), said


def strings(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [s for v in value for s in strings(v)]
    return [value] if isinstance(value, str) else []


def is_base64(text):
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except ValueError:
        return False


def test_ciphertext_is_opaque(cloud):
    material = os.urandom(32)
    key, known = cloud.symmetric(material)
    one, two = cloud.encrypt(key), cloud.encrypt(key)
    assert one != two
    assert b"a challenge" not in one and material not in one
    for more in ({}, {"KeyId": key}):
        got = cloud.kms.decrypt(CiphertextBlob=one, **more)
        assert got["Plaintext"] == b"a challenge" and got["KeyMaterialId"] == known
        assert got["KeyId"] == cloud.describe(key)["Arn"]


def test_decrypt_with_another_key(cloud, refused):
    key, _ = cloud.symmetric()
    other, _ = cloud.symmetric()
    with refused():
        cloud.kms.decrypt(CiphertextBlob=cloud.encrypt(key), KeyId=other)


@pytest.mark.parametrize("how", ["spoiled", "cut", "longer", "garbage", "another context"])
def test_spoiled_ciphertext(cloud, refused, how):
    key, _ = cloud.symmetric()
    blob = cloud.encrypt(key)
    bad = {"spoiled": blob[:-1] + bytes([blob[-1] ^ 1]), "cut": blob[:-1], "longer": blob + b"x", "garbage": b"x" * 80, "another context": blob}
    more = {"EncryptionContext": {"a": "b"}} if how == "another context" else {}
    with refused():
        cloud.kms.decrypt(CiphertextBlob=bad[how], **more)


def test_same_bytes_in_another_key_decrypt_nothing(cloud, refused):
    material = os.urandom(32)
    key, _ = cloud.symmetric(material)
    blob = cloud.encrypt(key)
    other, _ = cloud.symmetric(material)
    with refused():
        cloud.kms.decrypt(CiphertextBlob=blob, KeyId=other)


def test_signature_is_the_pairs(cloud):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    pair, key = pairs.generate("ECC_NIST_P256"), cloud.key("ECC_NIST_P256")
    cloud.put(key, pairs.pkcs8(pair), OAEP)
    got = cloud.kms.sign(KeyId=key, Message=b"a challenge", SigningAlgorithm="ECDSA_SHA_256", MessageType="RAW")
    pair.public_key().verify(got["Signature"], b"a challenge", ec.ECDSA(hashes.SHA256()))
