"""What the scripts share: a client, checks that say what came, and the one line of results at the end.

A script is called with a connect string and perhaps more, prints lines of JSON, the last one with
"ok": true, and ends with 1 and a message on stderr when something is not as it should be.
"""

import json
import logging
import os
import sys
import threading
import time
import traceback

from kazoo.client import KazooClient

WAIT_S = 20
POLL_S = 0.01


def secured():
    """Options of a client that is to speak TLS: PEM files of the authority and of its own."""
    authority = os.environ.get("KAZOO_AUTHORITY")
    own = os.environ.get("KAZOO_OWN")
    if authority is None:
        return {}
    return {"use_ssl": True, "ca": authority, "certfile": own, "keyfile": own}


def connect(hosts=None, timeout=6.0, **options):
    """A started client of the ensemble that the script was called with."""
    options = {**secured(), **options}
    client = KazooClient(hosts=hosts or sys.argv[1], timeout=timeout, **options)
    client.start(timeout=WAIT_S)
    return client


def close(*clients):
    for each in clients:
        each.stop()
        each.close()


def port_of(client):
    """The port of the server that a client is connected to."""
    return client._connection._socket.getpeername()[1]


def at_once(clients, work):
    """Does the work with every client, each in a thread of its own; raises the first error."""
    errors = []

    def guarded(client):
        try:
            work(client)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(each,), daemon=True) for each in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    if errors:
        raise errors[0]
    true("all ended", not any(thread.is_alive() for thread in threads))


class Running:
    """Work in a thread of its own, whose result is waited for."""

    def __init__(self, work, *arguments):
        self._ended = threading.Event()
        self._outcome = None

        def guarded():
            try:
                self._outcome = (work(*arguments), None)
            except BaseException as error:
                self._outcome = (None, error)
            self._ended.set()

        threading.Thread(target=guarded, daemon=True).start()

    @property
    def ended(self):
        return self._ended.is_set()

    def result(self):
        true("it ended", self._ended.wait(WAIT_S))
        value, error = self._outcome
        if error is not None:
            raise error
        return value


def until(what, look, wanted):
    """Looks again and again until it sees what is wanted."""
    deadline = time.monotonic() + WAIT_S
    while True:
        seen = look()
        if seen == wanted:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: expected {wanted!r} in the end, last seen {seen!r}")
        time.sleep(POLL_S)


def tell(**values):
    print(json.dumps(values), flush=True)


def equal(what, got, expected):
    if got != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {got!r}")


def true(what, got):
    if not got:
        raise AssertionError(f"{what}: expected it to be so, got {got!r}")


def raises(what, error, action, *arguments, **options):
    """Checks that the action raises exactly this class of error, and returns the error."""
    try:
        result = action(*arguments, **options)
    except Exception as raised:
        if type(raised) is not error:
            raise AssertionError(f"{what}: expected {error.__name__}, got {raised!r}") from raised
        return raised
    raise AssertionError(f"{what}: expected {error.__name__}, got the result {result!r}")


def run(*parts):
    """Runs the parts of a script and tells which; ends with 1 when one fails."""
    # A lost connection is part of what is tested; kazoo reports it at length.
    logging.disable(logging.CRITICAL)
    done = []
    for part in parts:
        try:
            part()
        except Exception:
            print(f"{part.__name__} failed:", file=sys.stderr)
            traceback.print_exc()
            sys.exit(1)
        done.append(part.__name__)
    tell(ok=True, done=done)
