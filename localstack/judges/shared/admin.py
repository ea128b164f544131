"""The admin port that all emulators have."""

import datetime
import json
import urllib.request


class Admin:
    """An emulator's admin port, and the time that its clients should believe in."""

    def __init__(self, url):
        self.url = url
        self.ahead = datetime.timedelta()

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or "null")

    def settings(self, **settings):
        """Sets these; all others are strict again."""
        self.call("POST", "/config", {"settings": settings})

    def advance(self, **how):
        """Moves the emulator's clock, and that of the clients with it."""
        step = datetime.timedelta(**how)
        self.call("POST", "/clock", {"advance": step.total_seconds()})
        self.ahead += step

    def now(self):
        return datetime.datetime.now(datetime.timezone.utc) + self.ahead
