"""Rules 20, 21, 44, 47 and 48: what goes wrong, and what is not modelled."""

import cloud as c
import pairs
import pytest


def rule(cloud, action, kind, **more):
    cloud.admin.call("POST", "/faults", {"match": {"service": "keyvault", "action": action}, "kind": kind, **more})


@pytest.mark.parametrize("settings", [{}, {"retry_after": 1}, {"retry_after_millis": 20}])
def test_throttled_and_retried(cloud, keys, settings):
    transfer = c.blob(c.kek(keys), pairs.pkcs8(c.pair("P-256")))
    cloud.admin.settings(**settings)
    rule(cloud, "ImportKey", "throttle")
    again = cloud.keys("premium", retry_total=3, retry_backoff_factor=0.01)
    c.bring(again, "a", "EC-HSM", transfer, "P-256")
    assert len(list(keys.list_properties_of_key_versions("a"))) == 1


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "7"}, {"Retry-After-Ms": "70"}])
def test_throttled(cloud, keys, refused, headers):
    cloud.admin.settings(**{name.lower().replace("-", "_").replace("_ms", "_millis"): int(value) for name, value in headers.items()})
    keys.create_ec_key("a")
    rule(cloud, "ImportKey", "throttle")
    with refused() as caught:
        c.bring(keys, "b", "EC-HSM", b"{}", "P-256")
    got = caught.value.response.headers
    assert {name: got[name] for name in ("Retry-After", "Retry-After-Ms") if name in got} == headers


@pytest.mark.parametrize("status", [500, 503])
def test_committed_and_lost(cloud, keys, status):
    """A client that tries again makes a second version."""
    transfer = c.blob(c.kek(keys), pairs.pkcs8(c.pair("P-256")))
    rule(cloud, "ImportKey", "fail", when="after", code="ServiceUnavailable", status=status)
    again = cloud.keys("premium", retry_total=3, retry_backoff_factor=0.01)
    c.bring(again, "a", "EC-HSM", transfer, "P-256")
    assert len(list(keys.list_properties_of_key_versions("a"))) == 2


@pytest.mark.parametrize(("when", "left"), [("before", 0), ("after", 1)])
def test_unavailable(cloud, keys, refused, when, left):
    rule(cloud, "CreateKey", "fail", when=when, code="ServiceUnavailable")
    with refused():
        keys.create_ec_key("a")
    assert len(list(keys.list_properties_of_keys())) == left


def test_every_answer_says_what_it_is(cloud):
    for method, path, headers in (
        ("GET", "/keys?api-version=7.4", {}),
        ("GET", "/keys/none?api-version=7.4", {}),
        ("PUT", "/keys/a", {"Authorization": None}),
        ("GET", "/nothing", {}),
    ):
        answer = cloud.raw(method, path, headers=headers)
        assert answer.headers["Server"] == "keyferry-emulator"
        assert answer.headers["x-ms-request-id"]


def test_modelled(keys):
    assert c.send(keys, "POST", "/keys/a/create", {"kty": "EC", "attributes": {"exportable": False}})["key"]["kty"] == "EC"


@pytest.mark.parametrize(
    "body",
    [
        {"kty": "EC", "colour": "red"},
        {"kty": "EC", "KTY": "EC"},
        {"kty": "EC", "attributes": {"colour": "red"}},
        {"kty": "EC", "attributes": {"Enabled": True}},
        {"kty": "EC", "attributes": {"exportable": True}},
        {"kty": "EC", "release_policy": {"data": "e30"}},
        {"kty": "RSA", "public_exponent": 3},
        {"kty": "EC", "attributes": {"exp": "2000000000"}},
        {"kty": "EC", "attributes": {"exp": 2000000000.5}},
        {"kty": "EC", "tags": ["a"]},
    ],
)
def test_member_not_modelled(keys, refused, body):
    with refused():
        c.send(keys, "POST", "/keys/a/create", body)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/rng"), ("POST", "/keys/a/release"), ("GET", "/secrets"), ("GET", "/keys/a/b/c/d"), ("GET", "/"), ("PATCH", "/deletedkeys/a")],
)
def test_operation_not_modelled(keys, refused, method, path):
    with refused():
        c.send(keys, method, path)


def test_truncated(cloud, keys):
    """Half an answer; the version is there."""
    import requests

    rule(cloud, "CreateKey", "truncate")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        cloud.raw("POST", "/keys/a/create?api-version=7.4", json={"kty": "EC"})
    assert keys.get_key("a").name == "a"


def test_lie(cloud, keys):
    made = keys.create_ec_key("a")
    rule(cloud, "GetKey", "lie")
    assert c.spki(keys.get_key("a").key) != c.spki(made.key)
    assert c.spki(keys.get_key("a").key) == c.spki(made.key)


@pytest.mark.parametrize("kind", ["deny", "expire"])
def test_denied_or_expired(cloud, keys, refused, kind):
    keys.create_ec_key("a")
    rule(cloud, "GetKey", kind, count=-1)
    with refused():
        keys.get_key("a")
