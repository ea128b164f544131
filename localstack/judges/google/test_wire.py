"""Rules 40 to 50: who asks, how, and what breaks."""

import json

import cloud as c
import google.auth
import grpc
import pairs
import pytest
import requests
from cloud import Cloud, State
from google.api_core.exceptions import ServiceUnavailable
from google.api_core.retry import Retry
from google.auth import identity_pool
from google.auth.transport.requests import Request
from google.cloud import kms_v1
from google.cloud.location import locations_pb2
from google.oauth2 import service_account
from requests.adapters import HTTPAdapter

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


class Here(HTTPAdapter):
    """What a name server would do: google-auth impersonates at Google's own address."""

    def __init__(self, url):
        super().__init__()
        self.url = url

    def send(self, request, **more):
        request.url = request.url.replace("https://iamcredentials.googleapis.com", self.url)
        return super().send(request, **more)


def with_file(emulator, connect, name):
    """A client with the credentials of a file, as google-auth reads it."""
    session = requests.Session()
    session.verify = emulator["ca"]
    session.mount("https://iamcredentials.googleapis.com", Here(emulator["token_url"]))
    if name.startswith("external"):  # load_credentials_from_file asks Google what the project is called
        credentials = identity_pool.Credentials.from_file(emulator["files"][name], scopes=SCOPES)
    else:
        credentials, _ = google.auth.load_credentials_from_file(emulator["files"][name], scopes=SCOPES)
    credentials.refresh(Request(session))
    assert not credentials.expired
    return connect(token=credentials.token)


@pytest.mark.parametrize("name", ["service_account", "external"])
def test_credentials_of_a_file(emulator, connect, name):
    assert with_file(emulator, connect, name).key()


@pytest.mark.parametrize("name", ["limited", "impersonated", "external_impersonated"])
def test_credentials_of_another(emulator, connect, cloud, limited, refused, name):
    cloud.permit("cloudkms.keyRings.get")
    client = with_file(emulator, connect, name)
    assert client.call("get_key_ring", {"name": client.ring}).name == client.ring
    with refused():
        client.key()


def test_self_signed_token(emulator, connect):
    credentials, _ = google.auth.load_credentials_from_file(emulator["files"]["service_account"])
    credentials = credentials.with_always_use_jwt_access(True)
    credentials._create_self_signed_jwt("https://cloudkms.googleapis.com/")
    credentials.refresh(Request())
    assert connect(token=credentials.token).key()


def forged(emulator):
    """The default service account's file with a key that is not its own."""
    with open(emulator["files"]["service_account"]) as file:
        info = json.load(file)
    key = pairs.private(c.pair(c.RSA[0]), c.serialization.PrivateFormat.PKCS8)
    pem = c.serialization.load_der_private_key(key, None).private_bytes(
        c.serialization.Encoding.PEM, c.serialization.PrivateFormat.PKCS8, c.serialization.NoEncryption()
    )
    return service_account.Credentials.from_service_account_info({**info, "private_key": pem.decode()}, scopes=SCOPES)


def test_forged_assertion(emulator, refused):
    session = requests.Session()
    session.verify = emulator["ca"]
    with refused() as caught:
        forged(emulator).refresh(Request(session))
    assert "Invalid JWT Signature" in str(caught.value)


def test_forged_token(emulator, connect, refused):
    credentials = forged(emulator).with_always_use_jwt_access(True)
    credentials._create_self_signed_jwt("https://cloudkms.googleapis.com/")
    credentials.refresh(Request())
    client = connect(token=credentials.token)
    with refused():
        client.call("get_key_ring", {"name": client.ring})


@pytest.mark.parametrize("token", ["", "unknown", "a.b.c"])
def test_unauthenticated(connect, refused, token):
    client = connect(token=token)
    with refused():
        client.call("get_key_ring", {"name": client.ring})


def test_expired(cloud, refused):
    cloud.fault(kind="expire", match={"action": "GetKeyRing"})
    with refused():
        cloud.call("get_key_ring", {"name": cloud.ring})
    cloud.call("get_key_ring", {"name": cloud.ring})


def test_tls_under_the_run_ca(cloud):
    assert cloud.call("get_key_ring", {"name": cloud.ring}).name == cloud.ring


def test_tls_under_another_ca(emulator, refused):
    tls = grpc.composite_channel_credentials(
        grpc.ssl_channel_credentials(), grpc.access_token_call_credentials(emulator["tokens"]["tester"])
    )
    with grpc.secure_channel(emulator["addr"], tls) as open_channel:
        client = Cloud(emulator, None, open_channel)
        with refused():
            client.call("get_key_ring", {"name": client.ring}, timeout=5)


def test_without_tls(emulator):
    request = kms_v1.GetKeyRingRequest(name=emulator["rings"]["main"])
    metadata = [
        ("authorization", f"Bearer {emulator['tokens']['tester']}"),
        ("x-goog-request-params", f"name={request.name}"),
        ("x-goog-api-client", "gl-python"),
    ]
    with grpc.insecure_channel(emulator["plain"]) as open_channel:
        client = Cloud(emulator, None, open_channel)
        assert client.raw("GetKeyRing", request, kms_v1.KeyRing, metadata).name == request.name


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
