"""Makes an ephemeral node and lives until it is killed. Called with the node's path and a timeout."""

import sys
import threading

from common import connect, tell

client = connect(timeout=float(sys.argv[3]))
client.create(sys.argv[2], b"held", ephemeral=True)
tell(held=sys.argv[2], session=format(client.client_id[0], "x"))
threading.Event().wait()
