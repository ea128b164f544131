"""What the judges need: boto3 clients of the emulator, its admin port, and the
table of rules, which says what each test must see refused."""

import contextlib
import datetime
import json
import os
import urllib.request

import boto3
import botocore.auth
import botocore.config
import pytest
from botocore.exceptions import ClientError

from cloud import Cloud

HERE = os.path.dirname(__file__)
with open(os.path.join(HERE, "rules.json")) as table:
    ROWS = {row["test"]: row for row in json.load(table)["rows"]}


def name(item):
    """A test as the table names it: without its parameters."""
    return f"{item.path.stem}.{item.originalname}"


def pytest_configure(config):
    config.addinivalue_line("markers", "fresh: asks the emulator that makes a wrapping key for each request")


def pytest_collection_modifyitems(items):
    for item in items:
        row = ROWS.get(name(item))
        if row and bool(row.get("refusal")) != ("refused" in item.fixturenames):
            raise pytest.UsageError(f"{name(item)}: the table's refusal and the fixture refused go together")


def pytest_runtest_logreport(report):
    """Writes a line of JSON for each phase of each test that says something."""
    if report.when != "call" and report.passed:
        return
    line = {"id": report.nodeid, "outcome": report.outcome, "seconds": report.duration, "text": report.longreprtext}
    with open(os.environ["JUDGE_RESULTS"], "a") as out:
        out.write(json.dumps(line) + "\n")


class Admin:
    """The emulator's admin port, and the time that clients sign with."""

    def __init__(self, url):
        self.url = url
        self.ahead = datetime.timedelta()

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or "null")

    def settings(self, **settings):
        self.call("POST", "/config", {"settings": settings})

    def advance(self, **how):
        """Moves the emulator's clock, and that of the clients with it."""
        step = datetime.timedelta(**how)
        self.call("POST", "/clock", {"advance": step.total_seconds()})
        self.ahead += step

    def now(self):
        return datetime.datetime.now(datetime.timezone.utc) + self.ahead


@pytest.fixture
def emulator(request):
    """Where the emulator is: one that uses a wrapping key again, for speed, or
    with the marker fresh one that does not."""
    emulators = json.loads(os.environ["JUDGE_EMULATORS"])
    return emulators["fresh" if request.node.get_closest_marker("fresh") else "reusing"]


@pytest.fixture
def admin(emulator, monkeypatch):
    admin = Admin(emulator["admin"])
    admin.call("POST", "/reset")
    admin.settings()

    def now(remove_tzinfo=True):
        return admin.now().replace(tzinfo=None) if remove_tzinfo else admin.now()

    monkeypatch.setattr(botocore.auth, "get_current_datetime", now)
    return admin


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
def refused(request):
    """A context in which the call must be refused as the table says."""
    row = ROWS[name(request.node)]
    seen = []

    @contextlib.contextmanager
    def refused():
        with pytest.raises(ClientError) as caught:
            yield caught
        error = caught.value.response
        assert error["Error"]["Code"] in row["refusal"].split("|"), error
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 400, error
        seen.append(error)

    yield refused
    assert seen, "nothing was refused"
