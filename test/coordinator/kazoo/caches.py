"""kazoo's recipes that keep up with nodes: DataWatch, ChildrenWatch and TreeCache."""

import random

from common import close, connect, equal, run, until
from kazoo.exceptions import KazooException
from kazoo.recipe.cache import TreeCache, TreeEvent

client = connect()
writer = connect()


def data_watch():
    seen = []

    @client.DataWatch("/data-watch")
    def changed(data, stat, event):
        seen.append((data, None if stat is None else stat.version, event and event.type))

    def comes(*expected):
        until("told", lambda: seen[-1], expected)

    equal("at once", seen, [(None, None, None)])
    writer.create("/data-watch", b"a")
    comes(b"a", 0, "CREATED")
    for n in range(1, 6):
        writer.set("/data-watch", b"%d" % n)
        comes(b"%d" % n, n, "CHANGED")
    writer.delete("/data-watch")
    comes(None, None, "DELETED")
    writer.create("/data-watch", b"again")
    comes(b"again", 0, "CREATED")
    equal("each once", len(seen), 9)


def many_changes_at_once():
    seen = []
    client.DataWatch("/busy", lambda data, stat: seen.append(data))
    writer.create("/busy", b"0")
    for n in range(1, 101):
        writer.set_async("/busy", b"%d" % n)
    until("the newest", lambda: seen[-1], b"100")
    numbers = [int(each) for each in seen if each is not None]
    equal("never back, never twice", numbers, sorted(set(numbers)))


def children_watch():
    seen = []
    writer.create("/children-watch")
    client.sync("/children-watch")

    @client.ChildrenWatch("/children-watch", send_event=True)
    def changed(children, event):
        seen.append((sorted(children), event and event.type))
        # False ends it.
        return "last" not in children

    equal("at once", seen, [([], None)])
    writer.create("/children-watch/a")
    until("told", lambda: seen[-1], (["a"], "CHILD"))
    writer.create("/children-watch/b")
    until("told", lambda: seen[-1], (["a", "b"], "CHILD"))
    writer.delete("/children-watch/a")
    until("told", lambda: seen[-1], (["b"], "CHILD"))
    writer.create("/children-watch/last")
    until("told", lambda: seen[-1], (["b", "last"], "CHILD"))
    writer.delete("/children-watch/b")
    client.sync("/children-watch")
    equal("no more", len(seen), 5)


def of(path):
    """The tree below a path as the writer reads it."""
    data, _ = writer.get(path)
    kids = sorted(writer.get_children(path))
    return (data, {each: of(f"{path}/{each}") for each in kids})


def cached(cache, path):
    node = cache.get_data(path)
    kids = sorted(cache.get_children(path, ()))
    return (node and node.data, {each: cached(cache, f"{path}/{each}") for each in kids})


def tree_cache():
    writer.ensure_path("/tree/a/b")
    writer.set("/tree/a", b"1")
    client.sync("/tree")
    events = []
    faults = []
    cache = TreeCache(client, "/tree")
    cache.listen(events.append)
    cache.listen_fault(faults.append)
    cache.start()
    until("filled", lambda: events and events[-1].event_type, TreeEvent.INITIALIZED)
    equal("as it is", cached(cache, "/tree"), of("/tree"))
    added = sorted(e.event_data.path for e in events if e.event_type == TreeEvent.NODE_ADDED)
    equal("told of all", added, ["/tree", "/tree/a", "/tree/a/b"])

    # A fixed seed: the same changes in every run.
    draw = random.Random(7)
    paths = [f"/tree/{x}/{y}" for x in "xyz" for y in "123"]
    for n in range(150):
        path = draw.choice(paths)
        if draw.random() < 0.4 and writer.exists(path):
            writer.delete(path)
        elif writer.exists(path):
            writer.set(path, b"%d" % n)
        else:
            writer.ensure_path(path)
    until("it keeps up", lambda: cached(cache, "/tree"), of("/tree"))
    writer.delete("/tree", recursive=True)
    until("all gone", lambda: cache.get_data("/tree"), None)
    ended = {"/tree", "/tree/a", "/tree/a/b"}
    removed = lambda: {e.event_data.path for e in events if e.event_type == TreeEvent.NODE_REMOVED}
    until("told of the end", lambda: removed() & ended, ended)
    writer.create("/tree", b"new")
    until("it begins anew", lambda: cached(cache, "/tree"), (b"new", {}))
    equal("no faults", faults, [])
    cache.close()
    equal("closed", cache.get_data("/tree"), None)
    try:
        cache.start()
    except KazooException as refused:
        equal("it ends once", str(refused), "already closed")
    else:
        raise AssertionError("expected that a closed cache does not start again")


run(data_watch, many_changes_at_once, children_watch, tree_cache)
close(client, writer)
