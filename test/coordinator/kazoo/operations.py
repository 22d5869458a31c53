"""Every operation on nodes, with the errors that belong to it."""

import threading

from common import WAIT_S, connect, equal, raises, run, true
from kazoo.exceptions import (
    BadArgumentsError,
    BadVersionError,
    ConnectionLoss,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.protocol.states import ZnodeStat

FRAME_BYTES_MAX = 1_048_575

client = connect()


def create_and_get():
    equal("path", client.create("/ops", b"one"), "/ops")
    data, stat = client.get("/ops")
    equal("data", data, b"one")
    true("a ZnodeStat", isinstance(stat, ZnodeStat))
    equal("version", stat.version, 0)
    equal("data length", stat.data_length, 3)
    equal("children", stat.children_count, 0)
    equal("created and changed at once", stat.czxid, stat.mzxid)
    true("created in this century", stat.created > 1_000_000_000)
    equal("owner", stat.owner_session_id, None)
    raises("create twice", NodeExistsError, client.create, "/ops", b"")
    raises("create without a parent", NoNodeError, client.create, "/ops/no/child", b"")
    path, stat = client.create("/ops/stat", b"s", include_data=True)
    equal("create2's path", path, "/ops/stat")
    equal("create2's data length", stat.data_length, 1)
    equal("empty data", client.get(client.create("/ops/empty"))[0], b"")
    raises("get of nothing", NoNodeError, client.get, "/ops/nothing")
    equal("exists of nothing", client.exists("/ops/nothing"), None)
    equal("exists", client.exists("/ops").czxid, client.get("/ops")[1].czxid)


def set_by_version():
    stat = client.set("/ops", b"two")
    equal("version", stat.version, 1)
    equal("version", client.set("/ops", b"three", version=1).version, 2)
    raises("set of an old version", BadVersionError, client.set, "/ops", b"x", version=1)
    raises("set of a future version", BadVersionError, client.set, "/ops", b"x", version=9)
    raises("set of nothing", NoNodeError, client.set, "/ops/nothing", b"x")
    data, stat = client.get("/ops")
    equal("data", data, b"three")
    equal("version", stat.version, 2)
    true("changed after it was created", stat.mzxid > stat.czxid)


def delete():
    client.create("/ops/parent")
    client.create("/ops/parent/child", b"c")
    raises("delete of a parent", NotEmptyError, client.delete, "/ops/parent")
    raises("delete of a version", BadVersionError, client.delete, "/ops/parent/child", version=3)
    raises("delete of nothing", NoNodeError, client.delete, "/ops/parent/nothing")
    client.delete("/ops/parent/child", version=0)
    client.delete("/ops/parent")
    equal("exists", client.exists("/ops/parent"), None)
    client.create("/ops/deep/er/est", b"", makepath=True)
    client.delete("/ops/deep", recursive=True)
    equal("exists", client.exists("/ops/deep"), None)


def sequential():
    client.create("/ops/seq")
    paths = [client.create("/ops/seq/n-", b"", sequence=True) for _ in range(3)]
    equal("paths", paths, [f"/ops/seq/n-{n:010d}" for n in range(3)])
    client.delete(paths[2])
    equal("no number twice", client.create("/ops/seq/n-", sequence=True), "/ops/seq/n-0000000003")
    equal("an empty prefix", client.create("/ops/seq/", sequence=True), "/ops/seq/0000000004")


def ephemeral():
    other = connect()
    equal("path", other.create("/ops/here", b"e", ephemeral=True), "/ops/here")
    both = other.create("/ops/here-", b"e", ephemeral=True, sequence=True)
    owner = client.get("/ops/here")[1].owner_session_id
    equal("owner", owner, other.client_id[0])
    raises("child", NoChildrenForEphemeralsError, other.create, "/ops/here/child", b"")
    other.stop()
    other.close()
    client.sync("/ops")
    equal("gone with its session", client.exists("/ops/here"), None)
    equal("gone with its session", client.exists(both), None)


def children():
    client.create("/ops/kids", b"")
    for name in ("c", "a", "b"):
        client.create(f"/ops/kids/{name}")
    equal("children", sorted(client.get_children("/ops/kids")), ["a", "b", "c"])
    names, stat = client.get_children("/ops/kids", include_data=True)
    equal("children", sorted(names), ["a", "b", "c"])
    equal("their number", stat.children_count, 3)
    equal("changes of children", stat.cversion, 3)
    raises("children of nothing", NoNodeError, client.get_children, "/ops/nothing")
    true("the system's node", "zookeeper" in client.get_children("/"))


def multi():
    commit = client.transaction()
    commit.check("/ops", 2)
    commit.create("/ops/multi", b"m")
    commit.create("/ops/multi/n-", b"", sequence=True)
    commit.set_data("/ops", b"four", version=2)
    commit.delete("/ops/stat")
    checked, made, numbered, changed, deleted = commit.commit()
    equal("create", made, "/ops/multi")
    equal("sequential create", numbered, "/ops/multi/n-0000000000")
    equal("set", changed.version, 3)
    equal("check and delete", (checked, deleted), (True, True))
    equal("one change", client.exists("/ops/multi").czxid, client.get("/ops")[1].mzxid)

    refused = client.transaction()
    refused.create("/ops/rolled-back", b"")
    refused.set_data("/ops", b"lost")
    refused.check("/ops", 99)
    refused.delete("/ops/multi/n-0000000000")
    before, also_before, guilty, after = refused.commit()
    equal("before the one refused", type(before), RolledBackError)
    equal("before the one refused", type(also_before), RolledBackError)
    equal("the one refused", type(guilty), BadVersionError)
    equal("after the one refused", type(after), RuntimeInconsistency)
    equal("nothing was created", client.exists("/ops/rolled-back"), None)
    equal("nothing was changed", client.get("/ops")[0], b"four")
    true("nothing was deleted", client.exists("/ops/multi/n-0000000000"))

    twice = client.transaction()
    twice.delete("/ops/multi/nothing")
    twice.create("/ops/rolled-back")
    equal("first refused", [type(r) for r in twice.commit()], [NoNodeError, RuntimeInconsistency])


def sync_shows_the_newest():
    equal("path", client.sync("/ops"), "/ops")
    writer = connect()
    for n in range(20):
        writer.set("/ops", b"%d" % n)
        client.sync("/ops")
        equal("newest", client.get("/ops")[0], b"%d" % n)
    writer.stop()
    writer.close()


def large_data():
    path = "/ops/large"
    # xid, op, path, data's length, version: what a set's frame holds besides the data.
    overhead = 4 + 4 + (4 + len(path)) + 4 + 4
    client.create(path)
    largest = b"l" * (FRAME_BYTES_MAX - overhead)
    equal("version", client.set(path, largest).version, 1)
    equal("the largest there is", client.get(path)[0] == largest, True)
    session = client.client_id[0]
    raises("a byte more", ConnectionLoss, client.set, path, largest + b"l")
    # The connection was the price; session and data are as before.
    equal("data", client.retry(client.get, path)[0] == largest, True)
    equal("session", client.client_id[0], session)
    equal("version", client.get(path)[1].version, 1)
    client.delete(path)


def unicode_paths():
    path = "/ops/grüße-日本"
    equal("path", client.create(path, "ä".encode()), path)
    equal("data", client.get(path)[0], "ä".encode())
    true("children", "grüße-日本" in client.get_children("/ops"))
    client.delete(path)
    # As in ZooKeeper, whose paths are checked by UTF-16 unit: none beyond the basic plane.
    raises("a surrogate pair", BadArgumentsError, client.create, "/ops/zebra-🦓")
    raises("a control character", BadArgumentsError, client.create, "/ops/bell-\x07")


def ensure_path():
    true("path", client.ensure_path("/ops/a/b/c/d"))
    true("again", client.ensure_path("/ops/a/b/c/d"))
    equal("children", client.get_children("/ops/a/b/c"), ["d"])


def pipelined():
    order = []
    results = []
    answered = threading.Semaphore(0)
    client.create("/ops/pipe", b"-1")
    for n in range(200):
        if n % 4 == 3:
            result = client.get_async("/ops/pipe")
        else:
            result = client.set_async("/ops/pipe", b"%d" % n)
        result.rawlink(lambda _, n=n: (order.append(n), answered.release()))
        results.append(result)
    values = [result.get(timeout=WAIT_S) for result in results]
    # Callbacks run in a thread of their own, which may be behind.
    true("all answered", all(answered.acquire(timeout=WAIT_S) for _ in results))
    equal("answered in order", order, list(range(200)))
    for n, value in enumerate(values):
        if n % 4 == 3:
            # A read sees every write before it and none after.
            equal("read", value[0], b"%d" % (n - 1))
            equal("version", value[1].version, n - n // 4)
        else:
            equal("version", value.version, 1 + n - n // 4)


def chroot():
    below = connect(client_hosts() + "/ops/a")
    equal("children", below.get_children("/"), ["b"])
    equal("path", below.create("/here"), "/here")
    below.stop()
    below.close()
    client.sync("/ops")
    true("below the root", client.exists("/ops/a/here"))


def client_hosts():
    return ",".join(f"{host}:{port}" for host, port in client.hosts)


run(
    create_and_get,
    set_by_version,
    delete,
    sequential,
    ephemeral,
    children,
    multi,
    sync_shows_the_newest,
    large_data,
    unicode_paths,
    ensure_path,
    pipelined,
    chroot,
)
client.stop()
client.close()
