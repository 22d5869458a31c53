"""kazoo's recipes by which several meet, count, and pass work to each other."""

import threading

from common import Running, at_once, close, connect, equal, run, true, until
from kazoo.retry import KazooRetry

# What all want at once goes through in the end; kazoo's default of five tries is not that patient.
clients = [connect(command_retry=KazooRetry(max_tries=500, delay=0.01, max_delay=0.05)) for _ in range(3)]
first, second, third = clients


def settle(path):
    """Every client's server has what was written before."""
    for each in clients:
        each.sync(path)


def barrier():
    true("there is none", first.Barrier("/barrier").wait(0))
    first.Barrier("/barrier").create()
    settle("/barrier")
    equal("it holds", first.Barrier("/barrier").wait(0.05), False)
    waiting = [Running(each.Barrier("/barrier").wait, 20) for each in clients]
    watching = lambda: [bool(each._data_watchers[f"{each.chroot}/barrier"]) for each in clients]
    until("all wait", watching, [True] * 3)
    true("nobody passed", not any(each.ended for each in waiting))
    equal("removed", second.Barrier("/barrier").remove(), True)
    for each in waiting:
        equal("cleared", each.result(), True)
    equal("removed already", third.Barrier("/barrier").remove(), False)


def double_barrier():
    entered = []
    leaving = []
    left = []
    may_leave = threading.Event()

    def work(client):
        meeting = client.DoubleBarrier("/meeting", len(clients), f"{client.client_id[0]}")
        meeting.enter()
        true("in", meeting.participating)
        entered.append(client)
        may_leave.wait(20)
        leaving.append(client)
        meeting.leave()
        equal("all were leaving", len(leaving), len(clients))
        left.append(client)

    early = [Running(work, each) for each in (first, second)]
    first.ensure_path("/meeting")
    third.sync("/meeting")

    def present():
        third.sync("/meeting")
        return len(third.get_children("/meeting"))

    until("two are there", present, 2)
    equal("they wait for the third", entered, [])
    late = Running(work, third)
    until("all are in", lambda: len(entered), 3)
    equal("nobody left", left, [])
    may_leave.set()
    for each in (*early, late):
        each.result()
    equal("all left", len(left), 3)
    settle("/meeting")
    equal("nobody is there", first.get_children("/meeting"), [])


def counter():
    def work(client):
        count = client.Counter("/counter")
        weight = client.Counter("/weight", default=1.0)
        for _ in range(20):
            count += 2
            count -= 1
            true("its own step", count.post_value == count.pre_value - 1)
            weight += 0.5

    at_once(clients, work)
    settle("/counter")
    equal("count", [each.Counter("/counter").value for each in clients], [60] * 3)
    equal("weight", first.Counter("/weight", default=1.0).value, 31.0)
    equal("steps", first.get("/counter")[1].version, 120)


def queue():
    for item, priority in ((b"late", 900), (b"first", 5), (b"second", 5), (b"middle", 100)):
        first.Queue("/order").put(item, priority)
    ordered = first.Queue("/order")
    equal("length", len(ordered), 4)
    equal("order", [ordered.get() for _ in range(5)], [b"first", b"second", b"middle", b"late", None])

    taken = []
    wanted = sorted(b"%d-%d" % (n, item) for n in range(3) for item in range(15))

    def work(client):
        mine = client.Queue("/work")
        number = clients.index(client)
        for item in range(15):
            mine.put(b"%d-%d" % (number, item))
        while len(taken) < len(wanted):
            item = mine.get()
            if item is not None:
                taken.append(item)

    at_once(clients, work)
    equal("every item once", sorted(taken), wanted)
    settle("/work")
    equal("nothing is left", len(first.Queue("/work")), 0)


def locking_queue():
    first.LockingQueue("/jobs").put_all([b"a", b"b"])
    first.LockingQueue("/jobs").put(b"urgent", 1)
    settle("/jobs")
    mine, yours = first.LockingQueue("/jobs"), second.LockingQueue("/jobs")
    equal("most urgent", mine.get(5), b"urgent")
    equal("the same until it is done", mine.get(5), b"urgent")
    equal("another", yours.get(5), b"a")
    true("locked", mine.holds_lock() and yours.holds_lock())
    equal("consumed", mine.consume(), True)
    equal("given back", yours.release(), True)
    equal("nothing to consume", yours.consume(), False)
    settle("/jobs")
    equal("what was given back", mine.get(5), b"a")
    # One that ends without a word loses what it had locked, and not the job.
    mortal = connect()
    lost = mortal.LockingQueue("/jobs")
    equal("the last", lost.get(5), b"b")
    waiting = Running(second.LockingQueue("/jobs").get, 20)
    equal("length, with what is locked", len(mine), 2)
    close(mortal)
    equal("taken over", waiting.result(), b"b")
    equal("consumed", mine.consume(), True)


def locking_queue_among_many():
    done = []
    wanted = sorted(b"%d" % n for n in range(30))
    first.LockingQueue("/many").put_all(wanted)

    def work(client):
        jobs = client.LockingQueue("/many")
        while len(done) < len(wanted):
            job = jobs.get(0.2)
            if job is not None and jobs.consume():
                done.append(job)

    at_once(clients, work)
    equal("every job once", sorted(done), wanted)


def party():
    for each, name in zip(clients, ("ann", "bob", "cyd")):
        each.Party("/party", name).join()
        each.ShallowParty("/shallow", name).join()
    guest = connect()
    present, shallow = guest.Party("/party", "guest"), guest.ShallowParty("/shallow", "guest")
    present.join()
    shallow.join()
    everybody = ["ann", "bob", "cyd", "guest"]
    equal("who is there", (sorted(present), sorted(shallow)), (everybody, everybody))
    equal("how many", (len(present), len(shallow)), (4, 4))
    equal("left", present.leave(), True)
    close(guest)
    settle("/party")
    rest = ["ann", "bob", "cyd"]
    equal("who is left", sorted(first.Party("/party")), rest)
    equal("who is left", sorted(first.ShallowParty("/shallow")), rest)


run(barrier, double_barrier, counter, queue, locking_queue, locking_queue_among_many, party)
close(*clients)
