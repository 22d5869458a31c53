"""Holds a lock, the only lease of a semaphore and a place in a party, until it is killed."""

import threading

from common import connect, tell

client = connect(timeout=1.0)
client.Lock("/mortal/lock", "holder").acquire()
client.Semaphore("/mortal/leases", "holder").acquire()
client.Party("/mortal/party", "holder").join()
tell(session=format(client.client_id[0], "x"))
threading.Event().wait()
