"""Rules 7 to 19: the operations as they are asked and answered."""

import base64
import datetime
import re

import cloud as c
import pairs
import pytest
from azure.keyvault.keys import JsonWebKey, KeyRotationLifetimeAction, KeyRotationPolicy, KeyRotationPolicyAction


def at(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def test_create_with_everything(cloud, keys):
    made = keys.create_rsa_key(
        "a", size=3072, hardware_protected=True, key_operations=["import"], enabled=True, tags={"a": "b"},
        not_before=at(1000000000), expires_on=at(2000000000),
    )
    assert (made.key_type, made.key_operations, len(made.key.n)) == ("RSA-HSM", ["import"], 384)
    got = made.properties
    assert (got.enabled, got.tags, got.not_before, got.expires_on) == (True, {"a": "b"}, at(1000000000), at(2000000000))
    assert abs(got.created_on - cloud.admin.now()) < datetime.timedelta(seconds=30)
    assert (got.recoverable_days, got.recovery_level) == (90, "Recoverable+Purgeable")


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521", "P-256K"])
def test_create_on_a_curve(keys, curve):
    made = keys.create_ec_key("a", curve=curve, hardware_protected=True)
    assert (made.key_type, made.key.crv, made.key_operations) == ("EC-HSM", curve, ["sign", "verify"])
    c.spki(made.key)  # refuses what is not on the curve


@pytest.mark.parametrize("size", [128, 192, 256])
def test_create_symmetric(pool, size):
    made = pool.create_oct_key("a", size=size, hardware_protected=True)
    assert (made.key_type, made.key.k) == ("oct-HSM", None)


@pytest.mark.parametrize(
    "body",
    [
        {"kty": "RSA", "key_size": 1024},
        {"kty": "RSA", "crv": "P-256"},
        {"kty": "EC", "crv": "P-224"},
        {"kty": "EC", "key_size": 256},
        {"kty": "RSA", "key_ops": ["dance"]},
        {"kty": "RSA", "key_ops": ["sign", "sign"]},
        {"kty": "EC", "key_ops": ["wrapKey"]},
        {"kty": "RSA", "attributes": {"nbf": 2000000000, "exp": 1000000000}},
    ],
)
def test_create_what_cannot_be(keys, refused, body):
    with refused():
        c.send(keys, "POST", "/keys/a/create", body)


@pytest.mark.parametrize("flag", [{}, {"Hsm": True}, {"hsm": True}, {"HSM": True}])
def test_flag_in_any_case(keys, flag):
    pair, kek = c.pair("P-256"), c.kek(keys)
    body = {"key": {"kty": "EC-HSM", "crv": "P-256", "key_ops": ["sign"], "key_hsm": c.base64url(c.blob(kek, pairs.pkcs8(pair)))}, **flag}
    assert c.send(keys, "PUT", "/keys/a", body)["key"]["kty"] == "EC-HSM"


def test_flag_against_the_type(keys, refused):
    kek = c.kek(keys)
    with refused():
        c.bring(keys, "a", "RSA-HSM", c.blob(kek, pairs.pkcs8(c.pair(2048))), hardware_protected=False)


def test_both_alphabets(keys):
    """The specification says base64, SDKs send base64url without padding."""
    kek = c.kek(keys)
    raw = c.blob(kek, pairs.pkcs8(c.pair("P-256")))
    for text in (base64.b64encode(raw).decode(), c.base64url(raw)):
        body = {"key": {"kty": "EC-HSM", "crv": "P-256", "key_ops": ["sign"], "key_hsm": text}}
        assert c.send(keys, "PUT", "/keys/a", body)["key"]["crv"] == "P-256"


@pytest.mark.parametrize("text", ["", "!", "e30=e30", "e30==", "{}"])
def test_not_base64(keys, refused, text):
    body = {"key": {"kty": "EC-HSM", "crv": "P-256", "key_ops": ["sign"], "key_hsm": text or "="}}
    with refused():
        c.send(keys, "PUT", "/keys/a", body)


def number(n):
    return n.to_bytes((n.bit_length() + 7) // 8, "big")


def rsa_jwk(pair, kty="RSA"):
    v = pair.private_numbers()
    values = {"n": v.public_numbers.n, "e": v.public_numbers.e, "d": v.d, "p": v.p, "q": v.q, "dp": v.dmp1, "dq": v.dmq1, "qi": v.iqmp}
    return JsonWebKey(kty=kty, **{name: number(n) for name, n in values.items()})


def ec_jwk(pair, curve, kty="EC"):
    v = pair.private_numbers()
    return JsonWebKey(kty=kty, crv=curve, d=number(v.private_value), x=number(v.public_numbers.x), y=number(v.public_numbers.y))


@pytest.mark.parametrize("vault", ["standard", "premium"])
def test_plain_rsa(cloud, vault):
    pair = c.pair(2048)
    made = cloud.keys(vault).import_key("a", rsa_jwk(pair))
    assert (made.key_type, c.spki(made.key)) == ("RSA", pairs.spki(pair))
    assert sorted(made.key_operations) == ["decrypt", "encrypt", "sign", "unwrapKey", "verify", "wrapKey"]


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521", "P-256K"])
def test_plain_ec(keys, curve):
    pair = c.pair(curve)
    made = keys.import_key("a", ec_jwk(pair, curve))
    assert (made.key_type, c.spki(made.key)) == ("EC", pairs.spki(pair))


def test_plain_into_the_hsm(keys):
    assert keys.import_key("a", rsa_jwk(c.pair(2048)), hardware_protected=True).key_type == "RSA-HSM"
    assert keys.import_key("b", ec_jwk(c.pair("P-256"), "P-256"), hardware_protected=True).key_type == "EC-HSM"


def broken():
    pair, other = c.pair(2048), c.pair(2048)
    for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi"):
        jwk = rsa_jwk(pair)
        setattr(jwk, name, getattr(rsa_jwk(other), name) if name != "e" else b"\3")
        yield jwk
        jwk = rsa_jwk(pair)
        setattr(jwk, name, None)
        yield jwk
    pair, other = c.pair("P-256"), c.pair("P-256")
    for name in ("d", "x", "y"):
        jwk = ec_jwk(pair, "P-256")
        setattr(jwk, name, getattr(ec_jwk(other, "P-256"), name))
        yield jwk
    yield ec_jwk(pair, "P-384")
    yield ec_jwk(pair, None)


def test_plain_but_broken(keys, refused):
    for jwk in broken():
        with refused():
            keys.import_key("a", jwk)


def test_get_latest_or_version(keys):
    first, second = c.kek(keys), c.kek(keys)
    assert keys.get_key("kek").id == second.id
    assert keys.get_key("kek", first.properties.version).id == first.id
    for path in ("/keys/kek", "/keys/kek/"):
        assert c.send(keys, "GET", path)["key"]["kid"] == second.id


@pytest.mark.parametrize("version", [None, "0" * 32])
def test_get_what_is_not_there(keys, refused, version):
    c.kek(keys, "b")
    with refused() as caught:
        keys.get_key("b" if version else "a", version)
    assert "was not found in this key vault" in caught.value.error.message


def test_update_version_or_latest(keys):
    old, new = keys.create_rsa_key("a"), keys.create_rsa_key("a")
    keys.update_key_properties("a", old.properties.version, enabled=False, tags={"x": "y"}, key_operations=["sign"])
    keys.update_key_properties("a", expires_on=at(2000000000))
    got = keys.get_key("a", old.properties.version)
    assert (got.properties.enabled, got.properties.tags, got.key_operations, got.properties.expires_on) == (False, {"x": "y"}, ["sign"], None)
    got = keys.get_key("a", new.properties.version)
    assert (got.properties.enabled, got.properties.tags or {}, got.properties.expires_on) == (True, {}, at(2000000000))


def test_tags_are_replaced(keys):
    keys.create_rsa_key("a", tags={"a": "1", "b": "2"})
    assert keys.update_key_properties("a", tags={"b": "3"}).properties.tags == {"b": "3"}


@pytest.mark.parametrize("ops", [["import"], ["sign", "import"], ["dance"]])
def test_update_to_what_cannot_be(keys, refused, ops):
    keys.create_rsa_key("a", hardware_protected=True)
    with refused():
        keys.update_key_properties("a", key_operations=ops)


@pytest.mark.parametrize("name", ["a", "A-1", "x" * 127])
def test_names(keys, name):
    assert c.kek(keys, name).name == name


def test_names_compare_without_case(keys):
    first = c.kek(keys, "Name")
    assert keys.get_key("nAME", first.properties.version.upper()).id == first.id
    assert c.kek(keys, "NAME").id.rpartition("/")[0] == first.id.rpartition("/")[0]
    assert len(list(keys.list_properties_of_key_versions("name"))) == 2


@pytest.mark.parametrize("name", ["bad_name", "bad.name", "bad name", "x" * 128, "ä"])
def test_names_that_are_none(keys, refused, name):
    with refused():
        c.kek(keys, name)


def test_paging(keys):
    names = sorted(f"key-{i:02}" for i in range(30))
    for name in names:
        keys.create_ec_key(name)
    pages = [[k.name for k in page] for page in keys.list_properties_of_keys().by_page()]
    assert [len(page) for page in pages] == [25, 5]
    assert sum(pages, []) == names
    pages = [list(page) for page in keys.list_properties_of_keys(max_page_size=7).by_page()]
    assert [len(page) for page in pages] == [7, 7, 7, 7, 2]
    answer = c.send(keys, "GET", "/keys?maxresults=3")
    assert answer["nextLink"].startswith(keys.vault_url) and len(answer["value"]) == 3


def test_paging_of_versions_and_deleted(keys):
    ids = sorted(keys.create_ec_key("a").id for _ in range(28))
    assert [v.id for v in keys.list_properties_of_key_versions("a")] == ids
    keys.begin_delete_key("a").wait()
    assert [k.name for k in keys.list_deleted_keys()] == ["a"]
    assert list(keys.list_properties_of_keys()) == []


def test_empty_pages(cloud, keys):
    """A page may be empty and have a next one: only the link's end is the end."""
    cloud.admin.settings(empty_pages=True, page_size=2)
    for name in "abc":
        keys.create_ec_key(name)
    assert [k.name for k in keys.list_properties_of_keys()] == ["a", "b", "c"]


@pytest.mark.parametrize("query", ["maxresults=0", "maxresults=26", "maxresults=x", "$skiptoken=nonsense"])
def test_paging_out_of_bounds(keys, refused, query):
    with refused():
        c.send(keys, "GET", "/keys?" + query)


def test_backup_and_restore(cloud, keys):
    ids = {c.kek(keys).properties.version for _ in range(3)}
    copy = keys.backup_key("kek")
    other = cloud.keys("other")
    restored = other.restore_key_backup(copy)
    assert {v.version for v in other.list_properties_of_key_versions("kek")} == ids
    assert restored.key.n == keys.get_key("kek").key.n
    assert restored.id.startswith(other.vault_url)


def test_restore_onto_a_name(keys, refused):
    c.kek(keys)
    copy = keys.backup_key("kek")
    with refused():
        keys.restore_key_backup(copy)


@pytest.mark.parametrize("to", ["pool", "standard"])
def test_restore_where_it_cannot_be(cloud, keys, refused, to):
    c.kek(keys)
    copy = keys.backup_key("kek")
    with refused():
        cloud.keys(to).restore_key_backup(copy)


def test_rotation(cloud, keys):
    first = keys.create_rsa_key("a", hardware_protected=True, key_operations=["sign"], tags={"a": "b"})
    second = keys.rotate_key("a")
    assert second.id != first.id
    assert (second.key_type, second.key_operations, second.properties.tags) == ("RSA-HSM", ["sign"], {"a": "b"})
    action = KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_after_create="P60D")
    kept = keys.update_key_rotation_policy("a", KeyRotationPolicy(lifetime_actions=[action], expires_in="P90D"))
    assert (kept.expires_in, kept.lifetime_actions[0].time_after_create) == ("P90D", "P60D")
    assert keys.get_key_rotation_policy("a").expires_in == "P90D"
    left = keys.rotate_key("a").properties.expires_on - cloud.admin.now()
    assert abs(left - datetime.timedelta(days=90)) < datetime.timedelta(minutes=1)


@pytest.mark.parametrize("expires", ["P27D", "90 days", "P"])
def test_rotation_policy_that_is_none(keys, refused, expires):
    keys.create_rsa_key("a")
    with refused():
        keys.update_key_rotation_policy("a", KeyRotationPolicy(expires_in=expires))


def test_rotation_in_a_pool(pool, refused):
    pool.create_rsa_key("a", hardware_protected=True)
    with refused():
        pool.rotate_key("a")
    with refused():
        pool.get_key_rotation_policy("a")


def test_attestation(pool):
    made = pool.create_rsa_key("a", hardware_protected=True)
    got = pool.get_key_attestation("a").properties.attestation
    assert b"NOT GENUINE" in got.private_key_attestation and b"NOT GENUINE" in got.public_key_attestation
    assert made.id.encode() in got.private_key_attestation
    assert got.certificate_pem_file.count(b"BEGIN CERTIFICATE") == 2 and "not-genuine" in got.version


def test_attestation_in_a_vault(keys, refused):
    keys.create_rsa_key("a", hardware_protected=True)
    with refused():
        keys.get_key_attestation("a")


@pytest.mark.parametrize("version", ["7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01"])
def test_api_versions(cloud, version):
    client = cloud.keys("premium", api_version=version)
    assert client.create_ec_key("a").id == client.get_key("a").id


@pytest.mark.parametrize("version", ["2016-10-01", "8.0", ""])
def test_api_version_unknown(keys, refused, version):
    with refused():
        c.send(keys, "GET", "/keys?api-version=" + version)


def test_api_version_missing(cloud):
    answer = cloud.raw("GET", "/keys")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter")


def test_repeating_makes_versions(keys):
    """Create and import are not idempotent: a name that is there gets a new version."""
    kek = c.kek(keys)
    transfer = c.blob(kek, pairs.pkcs8(c.pair("P-256")))
    first, second = (c.bring(keys, "a", "EC-HSM", transfer, "P-256") for _ in range(2))
    assert first.id != second.id and c.spki(first.key) == c.spki(second.key)
    assert keys.get_key("a").id == second.id


def test_versions_are_32_hex(keys):
    assert re.fullmatch("[0-9a-f]{32}", c.kek(keys).properties.version)
