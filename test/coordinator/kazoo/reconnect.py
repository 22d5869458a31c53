"""Lives through the death of the server that it is connected to.

Tells where it is connected and waits for a line on stdin, which says that this server was killed.
"""

import queue
import sys

from common import WAIT_S, connect, equal, run, tell, true
from kazoo.client import KazooState

states = queue.Queue()
told = queue.Queue()
client = connect(timeout=10.0, randomize_hosts=False)
client.add_listener(states.put)


def survive():
    client.create("/survivor", b"before", ephemeral=True)
    client.get("/survivor", watch=lambda event: told.put((event.type, event.path)))
    session = client.client_id
    port = client._connection._socket.getpeername()[1]
    tell(port=port, session=format(session[0], "x"))
    sys.stdin.readline()
    equal("state", states.get(timeout=WAIT_S), KazooState.SUSPENDED)
    equal("state", states.get(timeout=WAIT_S), KazooState.CONNECTED)
    equal("session", client.client_id, session)
    true("another server", client._connection._socket.getpeername()[1] != port)
    client.sync("/survivor")
    data, stat = client.get("/survivor")
    equal("data", data, b"before")
    equal("owner", stat.owner_session_id, session[0])
    # kazoo itself gives its watches up with a lost connection and says so.
    equal("the watch", told.get(timeout=WAIT_S), ("NONE", None))
    client.get("/survivor", watch=lambda event: told.put((event.type, event.path)))
    client.set("/survivor", b"after")
    equal("a new watch", told.get(timeout=WAIT_S), ("CHANGED", "/survivor"))
    true("and told once", told.empty())


run(survive)
client.stop()
client.close()
