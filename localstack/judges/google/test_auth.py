"""Who asks: credentials of every kind, and TLS."""

import json

import cloud as c
import google.auth
import grpc
import pairs
import pytest
import requests
from cloud import Cloud
from google.auth import identity_pool
from google.auth.transport.requests import Request
from google.cloud import kms_v1
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
