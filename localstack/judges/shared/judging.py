"""What every cloud's judges share, as a plugin of pytest: the table of rules beside
the tests, which says what each must see refused; the results; where the emulators
are. A cloud's conftest.py has its clients, and the fixture refused."""

import json
import os

import pytest

from admin import Admin

ROWS = {}


def name(item):
    """A test as the table names it: without its parameters."""
    return f"{item.path.stem}.{item.originalname}"


def pytest_configure(config):
    config.addinivalue_line("markers", "fresh: asks the emulator that makes a wrapping key for each request")
    with open("rules.json") as table:
        ROWS.update({row["test"]: row for row in json.load(table)["rows"]})


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


@pytest.fixture
def emulator(request):
    """Where the emulator is: one that uses a wrapping key again, for speed, or
    with the marker fresh one that does not."""
    emulators = json.loads(os.environ["JUDGE_EMULATORS"])
    return emulators["fresh" if request.node.get_closest_marker("fresh") else "reusing"]


@pytest.fixture
def clean(emulator):
    """The emulator's admin port, after a reset, with settings as they were."""
    admin = Admin(emulator["admin"])
    admin.call("POST", "/reset")
    admin.settings()
    return admin


@pytest.fixture
def codes(request):
    """The codes of which a refusal must have one, by the table."""
    return ROWS[name(request.node)]["refusal"].split("|")
