"""boto3's clients of the emulator. The rest is in shared/judging.py."""

import contextlib

import boto3
import botocore.auth
import botocore.config
import pytest
from botocore.exceptions import ClientError

from cloud import Cloud


@pytest.fixture
def admin(clean, monkeypatch):
    """The admin port; clients sign with the emulator's time."""

    def now(remove_tzinfo=True):
        return clean.now().replace(tzinfo=None) if remove_tzinfo else clean.now()

    monkeypatch.setattr(botocore.auth, "get_current_datetime", now)
    return clean


@pytest.fixture
def connect(emulator, admin):
    """Makes a client: of a region, with other credentials, over TLS."""

    def connect(region="eu-central-1", service="kms", **more):
        settings = {
            "endpoint_url": emulator["url"],
            "aws_access_key_id": emulator["key_id"],
            "aws_secret_access_key": emulator["secret"],
            "config": botocore.config.Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        }
        return boto3.client(service, region_name=region, **{**settings, **more})

    return connect


@pytest.fixture
def kms(connect):
    return connect()


@pytest.fixture
def cloud(kms, admin):
    return Cloud(kms, admin)


@pytest.fixture
def refused(codes):
    """A context in which the call must be refused as the table says."""
    seen = []

    @contextlib.contextmanager
    def refused():
        with pytest.raises(ClientError) as caught:
            yield caught
        error = caught.value.response
        assert error["Error"]["Code"] in codes, error
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 400, error
        seen.append(error)

    yield refused
    assert seen, "nothing was refused"


@pytest.fixture
def at(connect, admin):
    """The cloud as a client of a Region sees it."""
    return lambda region: Cloud(connect(region), admin)
