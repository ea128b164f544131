"""Rings, pages, filters, views and locations."""

import cloud as c
import pytest
from google.cloud import kms_v1
from google.cloud.location import locations_pb2


def test_rings(cloud):
    at = c.parent(cloud.ring)
    made = cloud.call("create_key_ring", {"parent": at, "key_ring_id": "new", "key_ring": {}})
    assert made.name == f"{at}/keyRings/new"
    assert cloud.call("get_key_ring", {"name": made.name}) == made
    assert made.name in [r.name for r in cloud.call("list_key_rings", {"parent": at})]
    assert cloud.key(ring=made.name)


@pytest.mark.parametrize("name", ["keyferry", "a.b", "", "x" * 64])
def test_bad_rings(cloud, refused, name):
    with refused():
        cloud.call("create_key_ring", {"parent": c.parent(cloud.ring), "key_ring_id": name})


def test_pages(cloud, clean):
    key = cloud.key()
    for n in range(12):
        cloud.bring(key, c.SYMMETRIC, bytes([n]) * 32)
    for size, settings in ((5, {}), (0, {"page_size": 3}), (1000, {})):
        clean.settings(**settings)
        pager = cloud.call("list_crypto_key_versions", {"parent": key, "page_size": size})
        pages = list(pager.pages)
        assert [v.name.rsplit("/", 1)[1] for page in pages for v in page.crypto_key_versions] == [str(n) for n in range(1, 13)]
        assert all(page.total_size == 12 for page in pages)
        assert len(pages) == {5: 3, 0: 4, 1000: 1}[size]


def test_filters(cloud):
    key = cloud.key(labels={"team": "red"})
    cloud.key("other")
    job = cloud.job()
    for secret in (bytes(32), bytes(31), bytes([1]) * 32):
        cloud.get(cloud.send(key, c.SYMMETRIC, job, c.wrapped(job, secret)).name)

    def listed(text, method="list_crypto_key_versions", parent=key):
        page = next(cloud.call(method, {"parent": parent, "filter": text}).pages)
        assert page.total_size == 0
        entries = page.crypto_keys if method == "list_crypto_keys" else page.crypto_key_versions
        return [entry.name.rsplit("/", 1)[1] for entry in entries]

    assert listed("state=ENABLED") == ["1", "3"]
    assert listed("state = IMPORT_FAILED") == ["2"]
    assert listed(f'import_job="{job.name}" AND state!=ENABLED') == ["2"]
    assert listed(f'importJob="{job.name}x"') == []
    assert listed('create_time>"2001-01-01T00:00:00Z"') == ["1", "2", "3"]
    assert listed('create_time<"2001-01-01T00:00:00Z"') == []
    assert listed("labels.team=red", "list_crypto_keys", cloud.ring) == ["k"]
    assert listed("purpose=MAC", "list_crypto_keys", cloud.ring) == []


@pytest.mark.parametrize("text", ["state", "colour=red", "state>ENABLED", "create_time>yesterday", "(state=ENABLED OR state=DISABLED)"])
def test_bad_filters(cloud, refused, text):
    cloud.import_one()
    with refused():
        list(cloud.call("list_crypto_key_versions", {"parent": f"{cloud.ring}/cryptoKeys/k", "filter": text}))


@pytest.mark.parametrize("fields", [{"page_size": -1}, {"page_token": "x"}])
def test_bad_pages(cloud, refused, fields):
    with refused():
        list(cloud.call("list_crypto_keys", {"parent": cloud.ring, **fields}))


def test_views(cloud):
    cloud.import_one(c.Algorithm.EC_SIGN_SECP256K1_SHA256)
    parent = f"{cloud.ring}/cryptoKeys/k"
    full = kms_v1.CryptoKeyVersion.CryptoKeyVersionView.FULL
    (short,) = cloud.call("list_crypto_key_versions", {"parent": parent})
    (long,) = cloud.call("list_crypto_key_versions", {"parent": parent, "view": full})
    assert "attestation" not in short and "attestation" in long


def test_locations(cloud, emulator):
    project = f"projects/{emulator['project']}"
    listed = cloud.kms.list_locations(locations_pb2.ListLocationsRequest(name=project)).locations
    available = {}
    for location in listed:
        metadata = kms_v1.LocationMetadata.pb(kms_v1.LocationMetadata())
        assert location.metadata.Unpack(metadata)
        available[location.location_id] = metadata.hsm_available
    assert available["europe-west3"] and not available["europe-west99"]
    got = cloud.kms.get_location(locations_pb2.GetLocationRequest(name=f"{project}/locations/europe-west3"))
    assert got.location_id == "europe-west3"


def test_location_that_is_not_there(cloud, emulator, refused):
    with refused():
        cloud.kms.get_location(locations_pb2.GetLocationRequest(name=f"projects/{emulator['project']}/locations/moon"))
    with refused():
        cloud.key(ring=f"projects/{emulator['project']}/locations/moon/keyRings/r")
