"""Rules 22 to 31: the life of versions, and of the keys they are of."""

import datetime
import os

import cloud as c
import pytest
from cloud import Algorithm, Level, Purpose, State


def test_disable_and_enable(cloud):
    version = cloud.import_one()
    assert cloud.update(version.name, State.DISABLED).state == State.DISABLED
    assert cloud.get(version.name).state == State.DISABLED
    assert cloud.update(version.name, State.ENABLED).state == State.ENABLED


@pytest.mark.parametrize("state", [State.DESTROYED, State.PENDING_IMPORT, State.DESTROY_SCHEDULED, 0])
def test_other_states_cannot_be_set(cloud, refused, state):
    version = cloud.import_one()
    with refused():
        cloud.update(version.name, state)


def test_destroy_waits(cloud, clean):
    version = cloud.import_one()
    scheduled = cloud.destroy(version.name)
    assert scheduled.state == State.DESTROY_SCHEDULED
    assert abs(scheduled.destroy_time - clean.now() - datetime.timedelta(days=30)) < datetime.timedelta(minutes=1)
    clean.advance(days=29)
    assert cloud.get(version.name).state == State.DESTROY_SCHEDULED
    clean.advance(days=1)
    gone = cloud.get(version.name)
    assert gone.state == State.DESTROYED
    assert gone.destroy_event_time == scheduled.destroy_time
    assert "destroy_time" not in gone


def test_disabled_is_destroyed_too(cloud):
    version = cloud.import_one()
    cloud.update(version.name, State.DISABLED)
    assert cloud.destroy(version.name).state == State.DESTROY_SCHEDULED


def test_restore_leaves_it_disabled(cloud, clean):
    version = cloud.import_one()
    cloud.destroy(version.name)
    restored = cloud.restore(version.name)
    assert restored.state == State.DISABLED
    assert "destroy_time" not in restored
    clean.advance(days=60)
    assert cloud.update(version.name, State.ENABLED).state == State.ENABLED


def test_restore_of_what_is_not_scheduled(cloud, refused):
    version = cloud.import_one()
    with refused():
        cloud.restore(version.name)


def test_destroyed_is_not_restored(cloud, refused):
    version, _ = cloud.destroyed()
    for act in (cloud.restore, cloud.destroy, lambda name: cloud.update(name, State.ENABLED)):
        with refused():
            act(version.name)


@pytest.mark.parametrize("act", ["destroy", "update"])
def test_scheduled_is_only_restored(cloud, refused, act):
    version = cloud.import_one()
    cloud.destroy(version.name)
    with refused():
        if act == "destroy":
            cloud.destroy(version.name)
        else:
            cloud.update(version.name, State.ENABLED)


def test_own_waiting_period(cloud, clean):
    key = cloud.key(destroy_scheduled_duration=datetime.timedelta(days=2))
    version = cloud.bring(key, c.SYMMETRIC, bytes(32))
    cloud.destroy(version.name)
    clean.advance(days=2)
    assert cloud.get(version.name).state == State.DESTROYED


def test_usual_waiting_period(cloud):
    key = cloud.call("get_crypto_key", {"name": cloud.key()})
    assert key.destroy_scheduled_duration == datetime.timedelta(days=30)


@pytest.mark.parametrize("period", [{"hours": 23}, {"days": 121}, {"seconds": -1}])
def test_waiting_period_out_of_bounds(cloud, refused, period):
    with refused():
        cloud.key(destroy_scheduled_duration=datetime.timedelta(**period))


def test_short_waiting_period_leniently(cloud, clean):
    clean.settings(lenient=True)
    version = cloud.bring(cloud.key(destroy_scheduled_duration=datetime.timedelta()), c.SYMMETRIC, bytes(32))
    cloud.destroy(version.name)
    assert cloud.get(version.name).state == State.DESTROYED


def test_waiting_period_is_for_good(cloud, refused):
    request = {
        "crypto_key": {"name": cloud.key(), "destroy_scheduled_duration": datetime.timedelta(days=3)},
        "update_mask": {"paths": ["destroy_scheduled_duration"]},
    }
    with refused():
        cloud.call("update_crypto_key", request)


@pytest.mark.parametrize("algorithm", [c.SYMMETRIC, c.P256])
def test_same_material_again(cloud, algorithm):
    version, secret = cloud.destroyed(algorithm)
    assert version.reimport_eligible
    again = cloud.bring(c.parent(version.name), algorithm, secret, crypto_key_version=version.name)
    assert (again.name, again.state) == (version.name, State.ENABLED)
    assert again.import_time > version.import_time
    assert "destroy_event_time" not in again and not again.reimport_eligible


def test_other_material_again(cloud):
    version, _ = cloud.destroyed()
    again = cloud.bring(c.parent(version.name), c.SYMMETRIC, os.urandom(32), crypto_key_version=version.name)
    assert again.state == State.IMPORT_FAILED


def test_other_material_again_is_refused(cloud, clean, refused):
    version, _ = cloud.destroyed()
    clean.settings(import_errors="refused")
    job = cloud.job()
    blob = c.wrapped(job, os.urandom(32))
    with refused():
        cloud.send(c.parent(version.name), c.SYMMETRIC, job, blob, crypto_key_version=version.name)
    assert cloud.get(version.name).state == State.DESTROYED


def test_same_material_after_other(cloud):
    version, secret = cloud.destroyed()
    key = c.parent(version.name)
    cloud.bring(key, c.SYMMETRIC, os.urandom(32), crypto_key_version=version.name)
    assert cloud.bring(key, c.SYMMETRIC, secret, crypto_key_version=version.name).state == State.ENABLED


def test_other_algorithm_again(cloud, refused):
    version, secret = cloud.destroyed(Algorithm.RSA_SIGN_PSS_2048_SHA256)
    job = cloud.job()
    blob = c.wrapped(job, secret)
    with refused():
        cloud.send(
            c.parent(version.name), Algorithm.RSA_SIGN_PKCS1_2048_SHA256, job, blob, crypto_key_version=version.name
        )


def test_failed_takes_any_material(cloud):
    version = cloud.import_one(secret=bytes(31))
    again = cloud.bring(c.parent(version.name), c.SYMMETRIC, os.urandom(32), crypto_key_version=version.name)
    assert (again.name, again.state) == (version.name, State.ENABLED)


@pytest.mark.parametrize("state", ["enabled", "disabled", "scheduled"])
def test_version_that_holds_material_takes_none(cloud, refused, state):
    version, job = cloud.import_one(secret=bytes(32)), cloud.job()
    if state == "disabled":
        cloud.update(version.name, State.DISABLED)
    if state == "scheduled":
        cloud.destroy(version.name)
    blob = c.wrapped(job, bytes(32))
    with refused():
        cloud.send(c.parent(version.name), c.SYMMETRIC, job, blob, crypto_key_version=version.name)


def generated(cloud, name="g"):
    """A version of Google's own material."""
    key = cloud.key(name, import_only=False, skip=False)
    return f"{key}/cryptoKeyVersions/1"


def test_generated_version_takes_none(cloud, clean, refused):
    version = generated(cloud)
    cloud.destroy(version)
    clean.advance(days=30)
    assert not cloud.get(version).reimport_eligible
    job = cloud.job()
    with refused():
        cloud.send(c.parent(version), c.SYMMETRIC, job, c.wrapped(job, bytes(32)), crypto_key_version=version)


def test_version_of_another_key(cloud, refused):
    version, secret = cloud.destroyed()
    other, job = cloud.key("other"), cloud.job()
    with refused():
        cloud.send(other, c.SYMMETRIC, job, c.wrapped(job, secret), crypto_key_version=version.name)


def test_version_that_is_not_there(cloud, refused):
    key, job = cloud.key(), cloud.job()
    with refused():
        cloud.send(key, c.SYMMETRIC, job, c.wrapped(job, bytes(32)), crypto_key_version=f"{key}/cryptoKeyVersions/7")


@pytest.mark.parametrize("path", ["import_job", "reimport_eligible", "algorithm"])
def test_what_is_output_only_is_not_set(cloud, refused, path):
    version = cloud.import_one()
    request = {"crypto_key_version": {"name": version.name, "state": State.DISABLED}, "update_mask": {"paths": [path]}}
    with refused():
        cloud.call("update_crypto_key_version", request)


def test_import_leaves_the_primary(cloud):
    key = cloud.key()
    cloud.bring(key, c.SYMMETRIC, bytes(32))
    assert "primary" not in cloud.call("get_crypto_key", {"name": key})
    assert cloud.primary(key, "1").primary.name == f"{key}/cryptoKeyVersions/1"
    cloud.bring(key, c.SYMMETRIC, bytes([1]) * 32)
    assert cloud.call("get_crypto_key", {"name": key}).primary.name.endswith("/1")
    assert cloud.primary(key, "2").primary.name.endswith("/2")


@pytest.mark.parametrize("algorithm", [c.P256, Algorithm.HMAC_SHA256, Algorithm.AES_256_GCM])
def test_others_have_no_primary(cloud, refused, algorithm):
    version = cloud.import_one(algorithm)
    with refused():
        cloud.primary(c.parent(version.name), "1")


def test_primary_that_is_not_there(cloud, refused):
    key = cloud.key()
    with refused():
        cloud.primary(key, "1")


def test_disabled_is_no_primary(cloud, refused):
    version = cloud.import_one()
    cloud.update(version.name, State.DISABLED)
    with refused():
        cloud.primary(c.parent(version.name), "1")


def test_disabled_primary_leniently(cloud, clean):
    clean.settings(lenient=True)
    version = cloud.import_one()
    cloud.update(version.name, State.DISABLED)
    assert cloud.primary(c.parent(version.name), "1").primary.state == State.DISABLED


def test_import_only_is_shown(cloud):
    key = cloud.call("get_crypto_key", {"name": cloud.key()})
    assert key.import_only
    assert key.version_template.algorithm == c.SYMMETRIC
    assert key.version_template.protection_level == Level.SOFTWARE
    assert not list(cloud.call("list_crypto_key_versions", {"parent": key.name}))


def test_import_only_generates_nothing(cloud, refused):
    key = cloud.key()
    with refused():
        cloud.call("create_crypto_key_version", {"parent": key, "crypto_key_version": {}})


@pytest.mark.parametrize("more", [{"rotation_period": {"seconds": 86400}}, {"next_rotation_time": {"seconds": 4102444800}}])
def test_import_only_does_not_rotate(cloud, refused, more):
    with refused():
        cloud.key(**more)


def test_import_only_without_skipping(cloud, refused):
    with refused():
        cloud.key(skip=False)


def test_import_only_without_skipping_leniently(cloud, clean):
    clean.settings(lenient=True)
    assert not list(cloud.call("list_crypto_key_versions", {"parent": cloud.key(skip=False)}))


def test_import_only_is_for_good(cloud, refused):
    request = {"crypto_key": {"name": cloud.key(), "import_only": False}, "update_mask": {"paths": ["import_only"]}}
    with refused():
        cloud.call("update_crypto_key", request)


def test_other_keys_take_both(cloud):
    version = generated(cloud)
    key = c.parent(version)
    assert "generate_time" in cloud.get(version) and not cloud.get(version).import_job
    assert cloud.call("get_crypto_key", {"name": key}).primary.name == version
    assert cloud.bring(key, c.SYMMETRIC, bytes(32)).name.endswith("/2")
    made = cloud.call("create_crypto_key_version", {"parent": key, "crypto_key_version": {}})
    assert (made.name.rsplit("/", 1)[1], made.state) == ("3", State.ENABLED)


@pytest.mark.parametrize("algorithm", [c.P256, Algorithm.RSA_SIGN_PSS_3072_SHA256, Algorithm.HMAC_SHA512])
def test_generated_keys_of_other_purposes(cloud, algorithm):
    name = cloud.key("g", algorithm, import_only=False, skip=False) + "/cryptoKeyVersions/1"
    assert cloud.get(name).algorithm == algorithm


def test_labels(cloud):
    key = cloud.key(labels={"keyferry-key": "payroll", "team": "a_b-1"})
    assert dict(cloud.call("get_crypto_key", {"name": key}).labels) == {"keyferry-key": "payroll", "team": "a_b-1"}
    request = {"crypto_key": {"name": key, "labels": {"team": ""}}, "update_mask": {"paths": ["labels"]}}
    assert dict(cloud.call("update_crypto_key", request).labels) == {"team": ""}
    assert dict(cloud.call("get_crypto_key", {"name": key}).labels) == {"team": ""}


@pytest.mark.parametrize(
    "labels",
    [{"Team": "a"}, {"team": "A"}, {"1a": "b"}, {"a" * 64: "b"}, {"a": "b" * 64}, {"a.b": "c"}, {"": "a"}, {f"a{n}": "" for n in range(65)}],
)
def test_bad_labels(cloud, refused, labels):
    key = cloud.key("good")
    with refused():
        cloud.key(labels=labels)
    with refused():
        request = {"crypto_key": {"name": key, "labels": labels}, "update_mask": {"paths": ["labels"]}}
        cloud.call("update_crypto_key", request)


@pytest.mark.parametrize("mask", [[], ["purpose"], ["name"]])
def test_what_cannot_be_changed(cloud, refused, mask):
    with refused():
        cloud.call("update_crypto_key", {"crypto_key": {"name": cloud.key()}, "update_mask": {"paths": mask}})


@pytest.mark.parametrize("name", ["a", "A-b_3", "x" * 63])
def test_names_of_keys(cloud, name):
    assert cloud.key(name) == f"{cloud.ring}/cryptoKeys/{name}"


@pytest.mark.parametrize("name", ["", "x" * 64, "a.b", "ä", "a/b"])
def test_bad_names_of_keys(cloud, refused, name):
    with refused():
        cloud.key(name)


def test_key_without_purpose(cloud, refused):
    with refused():
        cloud.key(purpose=Purpose.CRYPTO_KEY_PURPOSE_UNSPECIFIED)


def test_purpose_that_is_not_modelled(cloud, refused):
    with refused():
        cloud.key(purpose=Purpose.KEY_ENCAPSULATION)
