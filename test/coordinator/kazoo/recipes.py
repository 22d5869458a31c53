"""kazoo's own recipes: a lock that excludes, and an election in which one after the other leads."""

from common import at_once, close, connect, equal, run

clients = [connect() for _ in range(3)]


def lock():
    inside = []
    entries = []

    def work(client):
        for _ in range(5):
            with client.Lock("/lock", "who"):
                inside.append(client)
                equal("alone", len(inside), 1)
                # Sees what the one before wrote, without a sync: it held the lock.
                count = int(client.get("/count")[0])
                client.set("/count", b"%d" % (count + 1), version=count)
                entries.append(client)
                inside.remove(client)

    clients[0].create("/count", b"0")
    at_once(clients, work)
    equal("entries", len(entries), 15)
    clients[0].sync("/count")
    equal("count", clients[0].get("/count")[0], b"15")
    equal("nobody waits", clients[0].get_children("/lock"), [])


def election():
    leading = []
    led = []

    def work(client):
        def lead():
            leading.append(client)
            equal("alone", len(leading), 1)
            client.sync("/election")
            led.append(client)
            leading.remove(client)

        client.Election("/election", "who").run(lead)

    at_once(clients, work)
    equal("everybody led", {id(each) for each in led}, {id(each) for each in clients})


run(lock, election)
close(*clients)
