"""kazoo's locks that several may hold, and what becomes of all of them when a holder dies."""

import json
import os
import subprocess
import sys
import threading

from common import WAIT_S, Running, at_once, close, connect, equal, raises, run, true, until
from kazoo.exceptions import LockTimeout
from kazoo.retry import KazooRetry

# Counts and leases are fought for: five tries, kazoo's default, are soon over.
clients = [connect(command_retry=KazooRetry(max_tries=500, delay=0.01, max_delay=0.05)) for _ in range(4)]


def read_write_lock():
    first, second, third, writer = clients
    readers = [each.ReadLock("/rw", "reader") for each in (first, second)]
    for reader in readers:
        true("readers do not exclude each other", reader.acquire(timeout=WAIT_S))
    write = writer.WriteLock("/rw", "writer")
    equal("a writer among readers", write.acquire(blocking=False), False)
    # Or the third might take what is left of that attempt for the writer that waits.
    third.sync("/rw")
    writing = Running(write.acquire)
    late = third.ReadLock("/rw", "late")
    until("it waits", lambda: "writer" in late.contenders(), True)
    equal("a reader after a writer that waits", late.acquire(blocking=False), False)
    readers[0].release()
    true("a reader is left", not writing.ended)
    readers[1].release()
    true("the last reader let it in", writing.result())
    reading = Running(late.acquire)
    raises("meanwhile", LockTimeout, first.ReadLock("/rw").acquire, timeout=0.05)
    true("the writer excludes readers", not reading.ended)
    write.release()
    true("the writer let it in", reading.result())
    late.release()
    equal("nobody waits", third.get_children("/rw"), [])


def readers_see_whole_writes():
    inside = []
    together = threading.Barrier(len(clients))
    paths = ("/left", "/right")
    for path in paths:
        clients[0].create(path, b"0")

    def write(client):
        with client.WriteLock("/whole"):
            inside.append(client)
            equal("alone", len(inside), 1)
            count = int(client.get("/left")[0])
            for path in paths:
                client.set(path, b"%d" % (count + 1), version=count)
            inside.remove(client)

    def read(client):
        with client.ReadLock("/whole"):
            # All are in at the same time, or this waits in vain.
            together.wait(WAIT_S)
            return [client.get(path)[0] for path in paths]

    # Never both at once: a reader of kazoo waits also for writers that come after it, and they for the
    # reader, when one comes between its two requests (python-zk/kazoo#649).
    for turn in range(1, 6):
        at_once(clients, write)
        for reading in [Running(read, each) for each in clients]:
            equal("all of the writes", reading.result(), [b"%d" % (4 * turn)] * 2)


def semaphore():
    inside = []
    most = []
    pair = threading.Barrier(2)

    def work(client):
        for turn in range(4):
            with client.Semaphore("/leases", "who", max_leases=2):
                inside.append(client)
                most.append(len(inside))
                # Two are in at the same time, or this waits in vain.
                if turn == 0:
                    pair.wait(WAIT_S)
                inside.remove(client)

    at_once(clients, work)
    equal("never more than there are leases", max(most), 2)
    equal("turns", len(most), 16)
    raises("another size", ValueError, clients[0].Semaphore("/leases", max_leases=3).acquire)


def a_dead_holder():
    heir = clients[0]
    script = os.path.join(os.path.dirname(__file__), "hold_recipes.py")
    command = [sys.executable, "-B", script, sys.argv[1]]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        session = json.loads(holder.stdout.readline())["session"]
        heir.sync("/mortal")
        lock = heir.Lock("/mortal/lock", "heir")
        equal("the lock is held", lock.acquire(blocking=False), False)
        lease = heir.Semaphore("/mortal/leases", "heir")
        equal("the lease is held", lease.acquire(blocking=False), False)
        equal("by whom", lease.lease_holders(), ["holder"])
        party = heir.Party("/mortal/party", "heir")
        equal("who is there", list(party), ["holder"])
        (node,) = [each for each in heir.get_children("/mortal/lock")]
        owner = heir.get(f"/mortal/lock/{node}")[1].ephemeralOwner
        equal("owner", format(owner, "x"), session)
        waiting = [Running(lock.acquire), Running(lease.acquire)]
    finally:
        holder.kill()
        holder.wait()
    for each in waiting:
        true("handed on", each.result())
    equal("the node is gone", heir.exists(f"/mortal/lock/{node}"), None)
    equal("the lease is another's", lease.lease_holders(), ["heir"])
    equal("nobody is there", list(party), [])
    lock.release()
    lease.release()


run(read_write_lock, readers_see_whole_writes, semaphore, a_dead_holder)
close(*clients)
