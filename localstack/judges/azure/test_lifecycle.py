"""Rules 33 to 43: kinds, dates, soft delete, limits."""

import datetime

import cloud as c
import pairs
import pytest

DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("vault", "kty", "more"),
    [
        ("premium", "RSA", {}),
        ("premium", "RSA-HSM", {"key_size": 2048}),
        ("premium", "EC", {"crv": "P-256K"}),
        ("premium", "EC-HSM", {"crv": "P-521"}),
        ("pool", "RSA-HSM", {}),
        ("pool", "EC-HSM", {"crv": "P-384"}),
        ("pool", "oct-HSM", {"key_size": 192}),
    ],
)
def test_kinds(cloud, vault, kty, more):
    assert c.send(cloud.keys(vault), "POST", "/keys/a/create", {"kty": kty, **more})["key"]["kty"] == kty


@pytest.mark.parametrize(
    ("vault", "kty"),
    [("premium", "oct"), ("premium", "oct-HSM"), ("premium", "DSA"), ("premium", "rsa"), ("premium", None), ("pool", "RSA"), ("pool", "EC"), ("pool", "oct")],
)
def test_kinds_that_are_none(cloud, refused, vault, kty):
    with refused():
        c.send(cloud.keys(vault), "POST", "/keys/a/create", {"kty": kty} if kty else {})


EVERY = [
    lambda k: k.encrypt("RSA-OAEP", b"a"),
    lambda k: k.sign("RS256", bytes(32)),
    lambda k: k.wrap_key("RSA-OAEP", b"a"),
    lambda k: k.decrypt("RSA-OAEP", bytes(256)),
    lambda k: k.unwrap_key("RSA-OAEP", bytes(256)),
    lambda k: k.verify("RS256", bytes(32), bytes(256)),
]


@pytest.mark.parametrize("call", EVERY)
def test_disabled_does_nothing(cloud, keys, refused, call):
    key = keys.create_rsa_key("a", enabled=False)
    with refused():
        call(cloud.crypto(key.id))


def test_disabled_and_enabled_again(cloud, keys):
    key = keys.create_rsa_key("a")
    assert keys.update_key_properties("a", enabled=False).properties.enabled is False
    assert keys.get_key("a").properties.enabled is False
    keys.update_key_properties("a", enabled=True)
    assert cloud.crypto(key.id).sign("RS256", bytes(32)).signature


def test_disabled_get_by_choice(cloud, keys):
    """Whether get is refused then, Azure says of secrets alone."""
    keys.create_rsa_key("a", enabled=False)
    cloud.admin.settings(refuse_disabled=True)
    answer = cloud.raw("GET", "/keys/a?api-version=7.4")
    assert (answer.status_code, answer.json()["error"]["innererror"]["code"]) == (403, "KeyDisabled")


def dated(cloud, keys, when):
    now = int(cloud.admin.now().timestamp())
    dates = {"nbf": now + 3600} if when == "before" else {"exp": now - 3600}
    made = c.send(keys, "POST", "/keys/a/create", {"kty": "RSA", "attributes": dates})
    return cloud.crypto(made["key"]["kid"]), keys.get_key("a")


@pytest.mark.parametrize("when", ["before", "after"])
def test_outside_of_the_dates(cloud, keys, when):
    """Decrypt, unwrap and verify still work."""
    crypto, key = dated(cloud, keys, when)
    from cryptography.hazmat.primitives import hashes

    import wrap

    sealed = wrap.oaep(c.spki(key.key), b"a challenge", hashes.SHA1())
    assert crypto.decrypt("RSA-OAEP", sealed).plaintext == b"a challenge"
    assert crypto.unwrap_key("RSA-OAEP", sealed).key == b"a challenge"
    assert crypto.verify("RS256", bytes(32), bytes(256)).is_valid is False


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", EVERY[:3])
def test_refused_outside_of_the_dates(cloud, keys, refused, when, call):
    crypto, _ = dated(cloud, keys, when)
    with refused():
        call(crypto)


def test_dates_follow_the_clock(cloud, keys):
    key = keys.create_rsa_key("a", expires_on=cloud.admin.now() + DAY)
    crypto = cloud.crypto(key.id)
    assert crypto.sign("RS256", bytes(32)).signature
    cloud.admin.advance(days=2)
    assert c.send(keys, "GET", "/keys/a")["key"]["kid"] == key.id
    answer = cloud.raw("POST", "/keys/a/sign?api-version=7.4", json={"alg": "RS256", "value": c.base64url(bytes(32))})
    assert answer.json()["error"]["innererror"]["code"] == "KeyExpired"


def test_operations_that_are_allowed(cloud, keys):
    key = keys.create_rsa_key("a", key_operations=["encrypt", "verify"])
    crypto = cloud.crypto(key.id)
    assert crypto.encrypt("RSA-OAEP-256", b"a").ciphertext
    assert crypto.verify("RS256", bytes(32), bytes(256)).is_valid is False


@pytest.mark.parametrize("call", EVERY[1:5])
def test_operations_that_are_not_allowed(cloud, keys, refused, call):
    key = keys.create_rsa_key("a", key_operations=["encrypt", "verify"])
    with refused():
        call(cloud.crypto(key.id))


def test_tags_up_to_the_limit(keys):
    tags = {f"{i:0256}": "v" * 256 for i in range(15)}
    assert keys.create_ec_key("a", tags=tags).properties.tags == tags


@pytest.mark.parametrize("tags", [{str(i): "" for i in range(16)}, {"x" * 257: ""}, {"x": "v" * 257}, {"": "v"}])
def test_tags_beyond_the_limit(keys, refused, tags):
    with refused():
        keys.create_ec_key("a", tags=tags)


def test_soft_delete_and_recover(cloud, keys):
    first, second = keys.create_ec_key("a"), keys.create_ec_key("a")
    gone = keys.begin_delete_key("a").result()
    assert gone.recovery_id == f"{keys.vault_url}/deletedkeys/a"
    assert abs(gone.scheduled_purge_date - gone.deleted_date - 90 * DAY) < datetime.timedelta(seconds=2)
    assert keys.get_deleted_key("A").id == second.id
    assert keys.begin_recover_deleted_key("a").result().id == second.id
    assert keys.get_key("a", first.properties.version).id == first.id


@pytest.mark.parametrize(
    "call",
    [
        lambda k: k.create_ec_key("A"),
        lambda k: c.kek(k, "a"),
        lambda k: c.bring(k, "a", "EC-HSM", c.blob(c.kek(k), pairs.pkcs8(c.pair("P-256"))), "P-256"),
    ],
)
def test_deleted_name_is_taken(keys, refused, call):
    keys.create_ec_key("a")
    keys.begin_delete_key("a").wait()
    with refused() as caught:
        call(keys)
    assert "deleted but recoverable state" in caught.value.error.message


@pytest.mark.parametrize(
    "call",
    [
        lambda k: k.get_key("a"),
        lambda k: k.begin_delete_key("a"),
        lambda k: k.update_key_properties("a", enabled=True),
        lambda k: k.backup_key("a"),
        lambda k: list(k.list_properties_of_key_versions("a")),
        lambda k: c.send(k, "POST", "/keys/a/sign", {"alg": "ES256", "value": c.base64url(bytes(32))}),
        lambda k: k.get_deleted_key("b"),
        lambda k: c.send(k, "POST", "/deletedkeys/b/recover"),
    ],
)
def test_deleted_is_not_there(keys, refused, call):
    keys.create_ec_key("a")
    keys.begin_delete_key("a").wait()
    with refused():
        call(keys)


def test_purged_name_is_free(keys):
    old = keys.create_ec_key("a")
    keys.begin_delete_key("a").wait()
    keys.purge_deleted_key("a")
    assert list(keys.list_deleted_keys()) == []
    assert keys.create_ec_key("a").id != old.id
    assert len(list(keys.list_properties_of_key_versions("a"))) == 1


def test_deletion_takes_its_time(cloud, keys):
    cloud.admin.settings(delete_delay=10, recover_delay=10, purge_delay=10)
    keys.create_ec_key("a")
    path = "/keys/a?api-version=7.4"
    gone = "/deletedkeys/a?api-version=7.4"
    assert cloud.raw("DELETE", path).status_code == 200
    assert cloud.raw("GET", path).status_code == 404
    assert cloud.raw("GET", gone).status_code == 404
    cloud.admin.advance(seconds=11)
    assert cloud.raw("GET", gone).status_code == 200
    assert cloud.raw("POST", "/deletedkeys/a/recover?api-version=7.4").status_code == 200
    assert cloud.raw("GET", path).status_code == 404
    cloud.admin.advance(seconds=11)
    assert cloud.raw("GET", path).status_code == 200


@pytest.mark.parametrize("stage", ["deleting", "recovering", "purging"])
def test_name_is_taken_meanwhile(cloud, keys, refused, stage):
    keys.create_ec_key("a")
    if stage != "deleting":
        keys.begin_delete_key("a").wait()
    cloud.admin.settings(delete_delay=10, recover_delay=10, purge_delay=10)
    if stage == "deleting":
        c.send(keys, "DELETE", "/keys/a")
    elif stage == "recovering":
        c.send(keys, "POST", "/deletedkeys/a/recover")
    else:
        keys.purge_deleted_key("a")
    with refused() as caught:
        keys.create_ec_key("a")
    assert "retry later" in caught.value.error.message


@pytest.mark.parametrize("stage", ["deleting", "recovering"])
def test_recovery_meanwhile(cloud, keys, refused, stage):
    keys.create_ec_key("a")
    if stage == "recovering":
        keys.begin_delete_key("a").wait()
    cloud.admin.settings(delete_delay=10, recover_delay=10)
    c.send(keys, "DELETE", "/keys/a") if stage == "deleting" else c.send(keys, "POST", "/deletedkeys/a/recover")
    with refused() as caught:
        c.send(keys, "POST", "/deletedkeys/a/recover")
    assert "sequential manner" in caught.value.error.message


def test_retention_ends(cloud):
    keys = cloud.keys("protected")
    made = keys.create_ec_key("a")
    assert (made.properties.recoverable_days, made.properties.recovery_level) == (7, "CustomizedRecoverable")
    keys.begin_delete_key("a").wait()
    cloud.admin.advance(days=6)
    assert keys.get_deleted_key("a").id == made.id
    cloud.admin.advance(days=2)
    assert list(keys.list_deleted_keys()) == []
    assert keys.create_ec_key("a").id != made.id


def test_purge_protection(cloud, refused):
    keys = cloud.keys("protected")
    keys.create_ec_key("a")
    keys.begin_delete_key("a").wait()
    with refused():
        keys.purge_deleted_key("a")


def test_deletion_takes_all_versions(keys):
    ids = {keys.create_ec_key("a").properties.version for _ in range(3)}
    keys.begin_delete_key("a").wait()
    keys.begin_recover_deleted_key("a").wait()
    assert {v.version for v in keys.list_properties_of_key_versions("a")} == ids


def test_no_version_is_deleted_alone(keys, refused):
    version = keys.create_ec_key("a").properties.version
    with refused():
        c.send(keys, "DELETE", f"/keys/a/{version}")


def test_a_vault_has_no_limit_of_versions(keys):
    for _ in range(101):
        keys.create_ec_key("a")


def test_a_pool_has_a_limit_of_versions(pool, refused):
    for _ in range(100):
        pool.create_ec_key("a", hardware_protected=True)
    with refused():
        pool.create_ec_key("a", hardware_protected=True)


def test_quota_of_creations(cloud, keys):
    """Ten HSM keys in ten seconds, twenty software keys beside them."""
    cloud.admin.settings(quotas=True)
    for i in range(10):
        keys.create_ec_key(f"a{i}", hardware_protected=True)
        keys.create_ec_key(f"b{i}")
    cloud.admin.advance(seconds=11)
    c.kek(keys)


@pytest.mark.parametrize("vault", ["premium", "pool"])
def test_quota_exceeded(cloud, refused, vault):
    keys = cloud.keys(vault)
    cloud.admin.settings(quotas=True)
    for i in range(10):
        keys.create_ec_key(f"a{i}", hardware_protected=True)
    with refused():
        c.kek(keys)


def test_quota_of_imports(cloud, keys, refused):
    transfer = c.blob(c.kek(keys), pairs.pkcs8(c.pair("P-256")))
    cloud.admin.settings(quotas=True, limits={"create hsm": 2})
    for _ in range(2):
        c.bring(keys, "a", "EC-HSM", transfer, "P-256")
    with refused():
        c.bring(keys, "a", "EC-HSM", transfer, "P-256")


def test_quota_by_weight(cloud, keys, refused):
    """RSA-4096 counts as eight of RSA-2048."""
    key = keys.create_rsa_key("a", size=4096, hardware_protected=True)
    cloud.admin.settings(quotas=True, limits={"hsm": 17})
    crypto = cloud.crypto(key.id)
    for _ in range(2):
        crypto.sign("RS256", bytes(32))
    with refused():
        crypto.sign("RS256", bytes(32))
