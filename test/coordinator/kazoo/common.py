"""What the scripts share: a client of the ensemble whose connect string they are called with, work in threads, and the
checks of all scripts.
"""

import os
import sys
import threading
from pathlib import Path

from kazoo.client import KazooClient

sys.path.append(str(Path(__file__).parents[2] / "python"))
from checks import WAIT_S, equal, raises, run, tell, true, until

__all__ = [
    "WAIT_S",
    "Running",
    "at_once",
    "close",
    "connect",
    "equal",
    "port_of",
    "raises",
    "run",
    "tell",
    "true",
    "until",
]


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
