"""Reading without a quorum: called with a connect string, one server of which has none."""

import logging
import sys
import threading

from common import WAIT_S, equal, raises, run, tell, true
from kazoo.client import KazooClient, KazooState, KeeperState
from kazoo.exceptions import NotReadOnlyCallError

# Servers that are down are part of what is tested; kazoo reports each at length.
logging.disable(logging.CRITICAL)
back = threading.Event()
client = KazooClient(hosts=sys.argv[1], timeout=6.0, read_only=True)


@client.add_listener
def watch(state):
    if state == KazooState.CONNECTED and client.client_state == KeeperState.CONNECTED:
        back.set()


client.start(timeout=WAIT_S)


def reads():
    equal("state", client.client_state, KeeperState.CONNECTED_RO)
    equal("read", client.get("/a")[0], b"old")
    raises("write", NotReadOnlyCallError, client.set, "/a", b"new")
    equal("read", client.get("/a")[0], b"old")
    tell(reading=True)


def writes_again():
    true("back", back.wait(3 * WAIT_S))
    client.retry(client.set, "/a", b"new")
    equal("written", client.get("/a")[0], b"new")


run(reads, writes_again)
