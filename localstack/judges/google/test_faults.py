"""Answers that are lost or late, and quotas."""

import cloud as c
import pytest
from google.api_core.exceptions import ServiceUnavailable
from google.api_core.retry import Retry
from test_wire import importing


def versions(cloud, key):
    return [v.name.rsplit("/", 1)[1] for v in cloud.call("list_crypto_key_versions", {"parent": key})]


@pytest.mark.parametrize("kind", ["drop", "fail", "truncate"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_lost_import(cloud, kind, when):
    if (kind, when) == ("truncate", "before"):
        when = None  # it truncates what was done
    request = importing(cloud)
    rule = {"kind": kind, "match": {"action": "ImportCryptoKeyVersion"}}
    if kind == "fail":
        rule["code"] = "UNAVAILABLE"
    cloud.fault(**rule, **({"when": when} if when and kind != "truncate" else {}))
    with pytest.raises(ServiceUnavailable):
        cloud.call("import_crypto_key_version", request)
    assert versions(cloud, request["parent"]) == ([] if when == "before" else ["1"])


def test_late_import(cloud):
    request = importing(cloud)
    cloud.fault(kind="late", after=60, clock="emulator", match={"action": "ImportCryptoKeyVersion"})
    with pytest.raises(ServiceUnavailable):
        cloud.call("import_crypto_key_version", request)
    assert versions(cloud, request["parent"]) == []
    cloud.admin.advance(minutes=1)
    cloud.admin.call("GET", "/calls/wait?action=ImportCryptoKeyVersion&committed=true&timeout=10")
    assert versions(cloud, request["parent"]) == ["1"]


def test_clients_retry_of_a_lost_creation(cloud, refused):
    cloud.fault(kind="fail", code="UNAVAILABLE", when="after", match={"action": "CreateImportJob"})
    retry = Retry(lambda error: isinstance(error, ServiceUnavailable), initial=0.01, timeout=10)
    with refused():
        cloud.kms.create_import_job(request=cloud.job_request(), retry=retry)


@pytest.mark.parametrize("code", ["INTERNAL", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"])
def test_other_failures_leave_nothing_or_a_version(cloud, refused, code):
    request = importing(cloud)
    for when in ("before", "after"):
        cloud.fault(kind="fail", code=code, when=when, match={"action": "ImportCryptoKeyVersion"})
        with refused() as caught:
            cloud.call("import_crypto_key_version", request)
        assert caught.value.grpc_status_code.name == code
    assert versions(cloud, request["parent"]) == ["1"]


def test_quotas(cloud, clean, refused):
    clean.settings(quotas=True, rates={"read": 2})
    for _ in range(2):
        cloud.call("get_key_ring", {"name": cloud.ring})
    with refused():
        cloud.call("get_key_ring", {"name": cloud.ring})
    assert cloud.key()
    clean.advance(minutes=1)
    cloud.call("get_key_ring", {"name": cloud.ring})


def test_quotas_are_of_a_location(cloud, clean, emulator):
    clean.settings(quotas=True, rates={"read": 1})
    for name in ("main", "no hsm"):
        cloud.call("get_key_ring", {"name": emulator["rings"][name]})


def test_quotas_of_cryptography(cloud, clean, refused):
    soft, hsm = cloud.import_one(c.P256).name, cloud.import_one(c.Algorithm.EC_SIGN_SECP256K1_SHA256, name="h").name
    clean.settings(quotas=True, rates={"software": 1, "hsm": 1})
    for name in (soft, hsm):
        cloud.call("asymmetric_sign", {"name": name, "data": b"a"})
        with refused():
            cloud.call("asymmetric_sign", {"name": name, "data": b"a"})


def test_throttle_says_how_long(cloud, refused):
    cloud.fault(kind="throttle", retry_after=7, match={"action": "GetKeyRing"})
    with refused() as caught:
        cloud.call("get_key_ring", {"name": cloud.ring})
    assert [d.retry_delay.seconds for d in caught.value.details if hasattr(d, "retry_delay")] == [7]
