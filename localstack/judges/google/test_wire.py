"""Rules 40 to 50: how requests are made, who may make them, and what is not there."""

import cloud as c
import pytest
from cloud import State
from google.cloud import kms_v1


def test_answers_say_that_it_is_an_emulator(cloud, emulator):
    request = kms_v1.GetKeyRingRequest(name=cloud.ring)
    for metadata in ([("x-goog-request-params", f"name={request.name}"), ("x-goog-api-client", "gl-python")], []):
        call = cloud.channel.unary_unary(
            "/google.cloud.kms.v1.KeyManagementService/GetKeyRing",
            request_serializer=kms_v1.GetKeyRingRequest.serialize,
            response_deserializer=kms_v1.KeyRing.deserialize,
        ).future(request, metadata=metadata)
        assert dict(call.initial_metadata())["server"] == "keyferry-emulator"


@pytest.mark.parametrize("params", [None, "", "parent=projects/p", "name=projects/p/locations/l/keyRings/other"])
def test_routing_header(cloud, refused, params):
    metadata = [("x-goog-api-client", "gl-python")]
    if params is not None:
        metadata.append(("x-goog-request-params", params))
    with refused():
        cloud.raw("GetKeyRing", kms_v1.GetKeyRingRequest(name=cloud.ring), kms_v1.KeyRing, metadata)


@pytest.mark.parametrize("quoted", [False, True])
def test_routing_header_as_clients_send_it(cloud, quoted):
    name = cloud.ring.replace("/", "%2F") if quoted else cloud.ring
    metadata = [("x-goog-api-client", "gl-python"), ("x-goog-request-params", f"name={name}")]
    assert cloud.raw("GetKeyRing", kms_v1.GetKeyRingRequest(name=cloud.ring), kms_v1.KeyRing, metadata)


def test_client_header(cloud, refused):
    metadata = [("x-goog-request-params", f"name={cloud.ring}")]
    with refused():
        cloud.raw("GetKeyRing", kms_v1.GetKeyRingRequest(name=cloud.ring), kms_v1.KeyRing, metadata)


def test_client_header_leniently(cloud, clean):
    clean.settings(lenient=True)
    metadata = [("x-goog-request-params", f"name={cloud.ring}")]
    assert cloud.raw("GetKeyRing", kms_v1.GetKeyRingRequest(name=cloud.ring), kms_v1.KeyRing, metadata)


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("create_crypto_key", {"crypto_key": {"purpose": "ENCRYPT_DECRYPT", "crypto_key_backend": "x"}}),
        ("create_crypto_key", {"crypto_key": {"purpose": "ENCRYPT_DECRYPT", "name": "x"}}),
        ("create_crypto_key", {"crypto_key": {"purpose": "ENCRYPT_DECRYPT", "key_access_justifications_policy": {}}}),
        ("create_crypto_key", {"trusted_wrapping_enabled": True}),
        ("create_import_job", {"import_job": {"crypto_key_backend": "x"}}),
        ("list_crypto_keys", {"order_by": "name"}),
    ],
)
def test_fields_that_are_not_modelled(cloud, refused, method, fields):
    with refused() as caught:
        cloud.call(method, {"parent": cloud.ring, **fields})
    assert "does not model the field" in str(caught.value)


def test_field_of_an_import_that_is_not_modelled(cloud, refused):
    key, job = cloud.key(), cloud.job()
    with refused():
        cloud.send(key, c.SYMMETRIC, job, c.wrapped(job, bytes(32)), trusted_wrapping_enabled=True)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("generate_random_bytes", {"length_bytes": 8}),
        ("delete_crypto_key", {"name": "projects/keyferry-emulator/locations/global/keyRings/r/cryptoKeys/k"}),
        ("list_retired_resources", {"parent": "projects/keyferry-emulator/locations/global"}),
    ],
)
def test_methods_that_are_not_modelled(cloud, refused, method, request_):
    with refused():
        cloud.call(method, request_)


def test_modelled_fields_are_taken(cloud):
    made = cloud.call("create_crypto_key", cloud.key_request(labels={"a": "b"}, destroy_scheduled_duration={"seconds": 86400}))
    assert made.destroy_scheduled_duration.days == 1


def importing(cloud):
    """An import request that would work."""
    job = cloud.job()
    return {
        "parent": cloud.key(),
        "algorithm": c.SYMMETRIC,
        "import_job": job.name,
        "wrapped_key": c.wrapped(job, bytes(32)),
    }


IMPORT = ["cloudkms.cryptoKeyVersions.create", "cloudkms.importJobs.useToImport"]


def test_permissions_of_an_import(cloud, limited):
    request = importing(cloud)
    cloud.permit(*IMPORT)
    assert limited.call("import_crypto_key_version", request).state == State.PENDING_IMPORT


@pytest.mark.parametrize("missing", IMPORT)
def test_missing_permission_of_an_import(cloud, limited, refused, missing):
    request = importing(cloud)
    cloud.permit(*[p for p in IMPORT if p != missing], "cloudkms.keyRings.get")
    with refused() as caught:
        limited.call("import_crypto_key_version", request)
    assert f"Permission '{missing}' denied on resource" in str(caught.value)
    assert caught.value.reason == "IAM_PERMISSION_DENIED"


def test_creating_versions_is_not_needed_for_the_same_again(cloud, limited):
    version, secret = cloud.destroyed()
    job = cloud.job()
    cloud.permit("cloudkms.importJobs.useToImport", "cloudkms.cryptoKeyVersions.update")
    again = limited.send(c.parent(version.name), c.SYMMETRIC, job, c.wrapped(job, secret), crypto_key_version=version.name)
    assert again.name == version.name


PERMISSIONS = {
    "cloudkms.keyRings.create": ("create_key_ring", lambda r: {"parent": c.parent(r), "key_ring_id": "x"}),
    "cloudkms.keyRings.get": ("get_key_ring", lambda r: {"name": r}),
    "cloudkms.keyRings.list": ("list_key_rings", lambda r: {"parent": c.parent(r)}),
    "cloudkms.cryptoKeys.get": ("get_crypto_key", lambda r: {"name": f"{r}/cryptoKeys/k"}),
    "cloudkms.cryptoKeys.list": ("list_crypto_keys", lambda r: {"parent": r}),
    "cloudkms.cryptoKeys.create": ("create_crypto_key", lambda r: {"parent": r}),
    "cloudkms.cryptoKeys.update": (
        "update_crypto_key_primary_version",
        lambda r: {"name": f"{r}/cryptoKeys/k", "crypto_key_version_id": "1"},
    ),
    "cloudkms.cryptoKeyVersions.get": ("get_crypto_key_version", lambda r: {"name": f"{r}/cryptoKeys/k/cryptoKeyVersions/1"}),
    "cloudkms.cryptoKeyVersions.list": ("list_crypto_key_versions", lambda r: {"parent": f"{r}/cryptoKeys/k"}),
    "cloudkms.cryptoKeyVersions.update": (
        "update_crypto_key_version",
        lambda r: {"crypto_key_version": {"name": f"{r}/cryptoKeys/k/cryptoKeyVersions/1"}},
    ),
    "cloudkms.cryptoKeyVersions.destroy": (
        "destroy_crypto_key_version",
        lambda r: {"name": f"{r}/cryptoKeys/k/cryptoKeyVersions/1"},
    ),
    "cloudkms.cryptoKeyVersions.restore": (
        "restore_crypto_key_version",
        lambda r: {"name": f"{r}/cryptoKeys/k/cryptoKeyVersions/1"},
    ),
    "cloudkms.cryptoKeyVersions.viewPublicKey": ("get_public_key", lambda r: {"name": f"{r}/cryptoKeys/k/cryptoKeyVersions/1"}),
    "cloudkms.cryptoKeyVersions.useToSign": ("asymmetric_sign", lambda r: {"name": f"{r}/cryptoKeys/k/cryptoKeyVersions/1"}),
    "cloudkms.cryptoKeyVersions.useToVerify": ("mac_verify", lambda r: {"name": f"{r}/cryptoKeys/k/cryptoKeyVersions/1"}),
    "cloudkms.cryptoKeyVersions.useToEncrypt": ("encrypt", lambda r: {"name": f"{r}/cryptoKeys/k"}),
    "cloudkms.cryptoKeyVersions.useToDecrypt": ("decrypt", lambda r: {"name": f"{r}/cryptoKeys/k"}),
    "cloudkms.importJobs.create": ("create_import_job", lambda r: {"parent": r}),
    "cloudkms.importJobs.get": ("get_import_job", lambda r: {"name": f"{r}/importJobs/j"}),
    "cloudkms.importJobs.list": ("list_import_jobs", lambda r: {"parent": r}),
}


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_permission_is_named(cloud, limited, refused, permission):
    method, request = PERMISSIONS[permission]
    cloud.permit(*[p for p in PERMISSIONS if p != permission])
    with refused() as caught:
        limited.call(method, request(cloud.ring))
    assert f"Permission '{permission}' denied" in str(caught.value)


def test_other_project(cloud, refused):
    with refused():
        cloud.call("get_key_ring", {"name": cloud.ring.replace(cloud.place["project"], "somebody-elses")})


KINDS = {
    "get_key_ring": ("KeyRing", "{ring}x"),
    "get_crypto_key": ("CryptoKey", "{ring}/cryptoKeys/x"),
    "get_crypto_key_version": ("CryptoKeyVersion", "{ring}/cryptoKeys/k/cryptoKeyVersions/9"),
    "get_import_job": ("ImportJob", "{ring}/importJobs/x"),
}


@pytest.mark.parametrize("method", KINDS)
def test_what_is_not_there(cloud, refused, method):
    cloud.key()
    kind, form = KINDS[method]
    name = form.format(ring=cloud.ring)
    with refused() as caught:
        cloud.call(method, {"name": name})
    assert f"{kind} {name} not found." in str(caught.value)


def test_ring_must_be_there(cloud, refused):
    for make in (cloud.key, cloud.new_job):
        with refused():
            make(ring=cloud.ring + "x")


def test_what_is_there_is_found(cloud):
    version = cloud.import_one()
    assert cloud.call("get_crypto_key", {"name": c.parent(version.name)}).name == c.parent(version.name)
    assert cloud.get_job(version.import_job).name == version.import_job


@pytest.mark.parametrize("name", ["", "projects", "{ring}/", "{ring}//cryptoKeys/k", "{ring}/cryptoKeys", "/{ring}/cryptoKeys/k", "{ring}/importJobs/k"])
def test_names_of_another_form(cloud, refused, name):
    with refused():
        cloud.call("get_crypto_key", {"name": name.format(ring=cloud.ring)})


def test_same_name_again(cloud, refused):
    cloud.key()
    with refused():
        cloud.key()
    with refused():
        cloud.key(algorithm=c.P256)
