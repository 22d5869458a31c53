"""Watches: each tells once, in the order of the changes, and before the change can be read."""

import queue

from common import WAIT_S, connect, equal, run, true

client = connect()
writer = connect()
told = queue.Queue()


def watch(label):
    return lambda event: told.put((label, event.type, event.path))


def next_told():
    return told.get(timeout=WAIT_S)


def nothing_more(path):
    """A watch set now and fired at once comes after everything that was still to come."""
    client.exists(f"{path}-last", watch=watch("last"))
    writer.create(f"{path}-last")
    equal("nothing in between", next_told(), ("last", "CREATED", f"{path}-last"))
    true("nothing left", told.empty())


def data():
    writer.create("/data", b"0")
    client.sync("/data")
    client.get("/data", watch=watch("get"))
    writer.set("/data", b"1")
    writer.set("/data", b"2")
    equal("change", next_told(), ("get", "CHANGED", "/data"))
    nothing_more("/data")
    client.get("/data", watch=watch("again"))
    writer.delete("/data")
    equal("end", next_told(), ("again", "DELETED", "/data"))
    nothing_more("/data-2")


def exists():
    equal("not there", client.exists("/exists", watch=watch("exists")), None)
    writer.create("/exists")
    equal("creation", next_told(), ("exists", "CREATED", "/exists"))
    writer.set("/exists", b"x")
    nothing_more("/exists")
    client.sync("/exists")
    client.exists("/exists", watch=watch("exists"))
    writer.set("/exists", b"y")
    equal("change", next_told(), ("exists", "CHANGED", "/exists"))
    nothing_more("/exists-2")


def children():
    writer.create("/kids")
    client.sync("/kids")
    client.get_children("/kids", watch=watch("kids"))
    writer.set("/kids", b"not a change of children")
    writer.create("/kids/a")
    writer.create("/kids/b")
    equal("child", next_told(), ("kids", "CHILD", "/kids"))
    nothing_more("/kids")
    client.get_children("/kids", watch=watch("kids"))
    writer.create("/kids/a/grandchild")
    writer.delete("/kids/b")
    equal("child", next_told(), ("kids", "CHILD", "/kids"))
    nothing_more("/kids-2")
    client.get_children("/kids/a/grandchild", watch=watch("kids"))
    writer.delete("/kids/a/grandchild")
    equal("end", next_told(), ("kids", "DELETED", "/kids/a/grandchild"))
    nothing_more("/kids-3")


def order():
    paths = [f"/order-{n:02d}" for n in range(30)]
    for path in paths:
        client.exists(path, watch=watch("order"))
    for path in paths:
        writer.create(path)
    equal("in order", [next_told()[2] for _ in paths], paths)
    for path in paths:
        client.get(path, watch=watch("order"))
    change = writer.transaction()
    for path in paths:
        change.set_data(path, b"x")
    change.commit()
    equal("all of a multi", sorted(next_told()[2] for _ in paths), paths)
    nothing_more("/order")


def before_the_data():
    """Who is told of a change and then reads sees it; the notice comes before newer data."""
    writer.create("/before", b"0")
    client.sync("/before")
    seen = []
    for n in range(1, 21):
        client.get("/before", watch=lambda event: seen.append(event.type))
        writer.set("/before", b"%d" % n)
        client.sync("/before")
        equal("newest", client.get("/before")[0], b"%d" % n)
        # Callbacks run in a thread of their own: ask it, in order, whether it had ours.
        done = client.handler.event_object()
        client.handler.callback_queue.put(done.set)
        true("the callbacks ran", done.wait(WAIT_S))
        equal("told once", seen, ["CHANGED"] * n)


def of_an_ephemeral():
    other = connect()
    other.create("/here", ephemeral=True)
    client.sync("/here")
    client.exists("/here", watch=watch("here"))
    other.stop()
    other.close()
    equal("end", next_told(), ("here", "DELETED", "/here"))
    nothing_more("/here")


run(data, exists, children, order, before_the_data, of_an_ephemeral)
for each in (client, writer):
    each.stop()
    each.close()
