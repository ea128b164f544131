"""The Key Vault client of the emulator, with azure-identity's credentials. The rest is
in shared/judging.py."""

import contextlib
import socket

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.keyvault.keys._shared import http_challenge_cache

from cloud import Cloud

STATUS = {
    "BadParameter": 400,
    "KeyTypeNotSupported": 400,
    "NotSupported": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "KeyNotFound": 404,
    "NotFound": 404,
    "Conflict": 409,
    "Throttled": 429,
    "ServiceUnavailable": 503,
}


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    """Names below localhost are loopback (RFC 6761), also where the system's resolver
    does not say so. What clients learnt of another test's emulator is forgotten."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *args, **more):
        name = host.decode() if isinstance(host, bytes) else host
        return resolve("127.0.0.1" if name and name.endswith("localhost") else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    http_challenge_cache.clear()


@pytest.fixture
def cloud(emulator, clean):
    return Cloud(emulator, clean)


@pytest.fixture
def keys(cloud):
    """A client of the premium vault."""
    return cloud.keys("premium")


@pytest.fixture
def pool(cloud):
    """A client of the Managed HSM."""
    return cloud.keys("pool")


def code_of(error):
    """Code, or code/inner code, of what an SDK raised."""
    if isinstance(error, ServiceRequestError):
        return "ServiceRequestError"
    body = getattr(error, "error", None)
    if not body:
        return "invalid_client" if isinstance(error, ClientAuthenticationError) else type(error).__name__
    assert body.message, "an error without words"
    assert error.status_code == STATUS[body.code], error
    inner = (body.innererror or {}).get("code")
    return f"{body.code}/{inner}" if inner else body.code


@pytest.fixture
def refused(codes):
    """A context in which the call must be refused as the table says."""
    seen = []

    @contextlib.contextmanager
    def refused():
        with pytest.raises((HttpResponseError, ServiceRequestError)) as caught:
            yield caught
        assert code_of(caught.value) in codes, caught.value
        seen.append(caught.value)

    yield refused
    assert seen, "nothing was refused"
