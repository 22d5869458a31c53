"""Changing the ensemble: called with a connect string and the line of a server that may join."""

import sys

from common import connect, equal, raises, run, true
from kazoo.exceptions import (
    BadArgumentsError,
    BadVersionError,
    NewConfigNoQuorumError,
    NoAuthError,
)

joiner = sys.argv[2]
admin = connect(auth_data=[("digest", "super:admin")])
other = connect()


def refusals():
    raises("nobody", NoAuthError, other.reconfig, joiner, None, None)
    raises("old", BadVersionError, admin.reconfig, joiner, None, None, from_config=5)
    raises("nonsense", BadArgumentsError, admin.reconfig, "server.9", None, None)
    apart = ",".join(f"server.{n}=10.0.0.{n}:1:2;3" for n in (7, 8, 9))
    raises("nobody there", NewConfigNoQuorumError, admin.reconfig, None, None, apart)
    true("untouched", b"server.4" not in other.get("/zookeeper/config")[0])


def join():
    told = []
    other.get("/zookeeper/config", watch=told.append)
    data, stat = admin.reconfig(joining=joiner, leaving=None, new_members=None)
    true("there", b"server.4=" in data)
    equal("version", int(data.split(b"version=")[1], 16), stat.mzxid)
    other.sync("/zookeeper/config")
    equal("told", [event.path for event in told], ["/zookeeper/config"])


def leave():
    version = admin.get("/zookeeper/config")[1].mzxid
    data, _ = admin.reconfig(None, "4", None, from_config=version)
    true("gone", b"server.4" not in data)


run(refusals, join, leave)
