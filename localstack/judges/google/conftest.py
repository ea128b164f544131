"""The KMS client of the emulator. The rest is in shared/judging.py."""

import contextlib

import grpc
import pytest
from cloud import Cloud, channel
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import RefreshError


@pytest.fixture
def connect(emulator, clean):
    """Makes a client of a principal, or of any token."""
    with contextlib.ExitStack() as open_channels:

        def connect(who="tester", token=None):
            token = emulator["tokens"][who] if token is None else token
            return Cloud(emulator, clean, open_channels.enter_context(channel(emulator, token)))

        yield connect


@pytest.fixture
def cloud(connect):
    return connect()


@pytest.fixture
def limited(connect, cloud):
    """A client of the principal whose permissions cloud.permit sets."""
    yield connect("limited")
    cloud.permit()


def code_of(error):
    """The status of what a client raised; what google-auth raised is by its name."""
    if isinstance(error, grpc.RpcError):
        return error.code().name
    if isinstance(error, GoogleAPICallError):
        return error.grpc_status_code.name
    return type(error).__name__


@pytest.fixture
def refused(codes):
    """A context in which the call must be refused as the table says."""
    seen = []

    @contextlib.contextmanager
    def refused():
        with pytest.raises((GoogleAPICallError, grpc.RpcError, RefreshError)) as caught:
            yield caught
        assert code_of(caught.value) in codes, caught.value
        assert str(caught.value), "an error without words"
        seen.append(caught.value)

    yield refused
    assert seen, "nothing was refused"
