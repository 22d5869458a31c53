"""Recipes over the death of the server that all their clients are connected to.

Tells the server's port, waits for a line on stdin that says that it was killed, and goes on.
"""

import sys

from common import Running, close, connect, equal, port_of, run, tell, true, until
from kazoo.recipe.cache import TreeCache

# All at the first server; the writer, which changes things meanwhile, elsewhere.
holder, heir, watcher = (connect(timeout=20.0, randomize_hosts=False) for _ in range(3))
hosts = sys.argv[1].split(",")
writer = connect(",".join(hosts[1:]), timeout=20.0)


def hold_and_wait():
    sessions = [each.client_id[0] for each in (holder, heir, watcher)]
    ports = {port_of(each) for each in (holder, heir, watcher)}
    equal("at one server", len(ports), 1)
    lock, waiting = holder.Lock("/over/lock", "holder"), heir.Lock("/over/lock", "heir")
    true("held", lock.acquire(timeout=20))
    lease, party = holder.Semaphore("/over/leases", "holder"), holder.Party("/over/party", "holder")
    true("leased", lease.acquire(timeout=20))
    party.join()
    heir.sync("/over")
    next_in_line = Running(waiting.acquire)
    until("it waits", lock.contenders, ["holder", "heir"])

    data, kids = [], []
    watcher.ensure_path("/over/watched")
    watcher.DataWatch("/over/watched", lambda value, stat: data.append(value))
    watcher.ChildrenWatch("/over/watched", lambda names: kids.append(sorted(names)))
    cache = TreeCache(watcher, "/over/watched")
    cache.start()
    until("cached", lambda: bool(cache.get_data("/over/watched")), True)

    tell(port=ports.pop())
    sys.stdin.readline()
    # While the others look for another server: what they watch changes, and they must not miss it.
    writer.retry(writer.set, "/over/watched", b"new")
    writer.retry(writer.create, "/over/watched/kid", b"k")
    until("data", lambda: data[-1], b"new")
    until("children", lambda: kids[-1], ["kid"])
    kid = lambda: (cache.get_data("/over/watched/kid") or cache.get_data("/over/watched")).data
    until("cache", kid, b"k")

    sync = lambda client: client.retry(client.sync, "/over")
    for each in (holder, heir, watcher):
        sync(each)
    equal("sessions", [each.client_id[0] for each in (holder, heir, watcher)], sessions)
    true("still held", not next_in_line.ended)
    equal("in the same order", heir.retry(waiting.contenders), ["holder", "heir"])
    sync(writer)
    equal("still leased", writer.Semaphore("/over/leases").lease_holders(), ["holder"])
    equal("still there", list(writer.Party("/over/party")), ["holder"])
    lock.release()
    true("handed on", next_in_line.result())
    until("in line", waiting.contenders, ["heir"])
    cache.close()


run(hold_and_wait)
close(holder, heir, watcher, writer)
