"""Access lists, who a client is, what the ensemble says of itself, and quotas."""

from common import connect, equal, raises, run, true
from kazoo.exceptions import (
    BadVersionError,
    InvalidACLError,
    NoAuthError,
    NoNodeError,
)
from kazoo.security import (
    OPEN_ACL_UNSAFE,
    make_acl,
    make_digest_acl,
    make_digest_acl_credential,
)

client = connect()
other = connect()
owner = connect(auth_data=[("digest", "me:secret")])
credential = make_digest_acl_credential("me", "secret")


def digest():
    client.create("/mine", b"x", acl=[make_digest_acl("me", "secret", all=True)])
    raises("read", NoAuthError, client.get, "/mine")
    raises("write", NoAuthError, client.set, "/mine", b"y")
    raises("list", NoAuthError, client.get_children, "/mine")
    raises("look at the list", NoAuthError, client.get_acls, "/mine")
    raises("create", NoAuthError, client.create, "/mine/x")
    true("exists needs nothing", client.exists("/mine"))
    equal("read", owner.get("/mine")[0], b"x")
    acls, stat = owner.get_acls("/mine")
    equal("list", [(a.perms, a.id.scheme, a.id.id) for a in acls], [(31, "digest", credential)])
    equal("its version", stat.aversion, 0)


def add_auth():
    client.add_auth("digest", "me:secret")
    equal("read", client.get("/mine")[0], b"x")
    path = client.create("/mine/child", acl=[make_acl("auth", "", all=True)])
    equal("auth stands for who one is", client.get_acls(path)[0][0].id.id, credential)
    raises("auth of nobody", InvalidACLError, other.create, "/n", b"", [make_acl("auth", "", all=True)])
    raises("no scheme", InvalidACLError, other.create, "/n", b"", [make_acl("x", "y", all=True)])
    raises("no list of the gone", NoNodeError, client.get_acls, "/gone")


def set_acls():
    readable = make_acl("world", "anyone", read=True)
    mine = make_acl("digest", credential, all=True)
    stat = owner.set_acls("/mine", [readable, mine], version=0)
    equal("its version", (stat.aversion, stat.version), (1, 0))
    raises("an old version", BadVersionError, owner.set_acls, "/mine", [readable], 0)
    raises("not allowed", NoAuthError, other.set_acls, "/mine", OPEN_ACL_UNSAFE)
    other.sync("/mine")
    equal("read", other.get("/mine")[0], b"x")
    hidden = [a.id.id for a in other.get_acls("/mine")[0]]
    equal("without the digest", hidden, ["anyone", "me:x"])


def addresses():
    nearly_all = make_acl("ip", "0.0.0.0/0", all=True)
    nobody = make_acl("ip", "203.0.113.7", all=True)
    client.create("/near", b"x", acl=[nearly_all])
    client.create("/far", b"x", acl=[nobody])
    other.sync("/near")
    equal("from here", other.get("/near")[0], b"x")
    raises("from elsewhere", NoAuthError, other.get, "/far")


def in_a_transaction():
    refused = other.transaction()
    refused.create("/never")
    refused.set_data("/mine", b"y")
    equal("all or nothing", [type(r).__name__ for r in refused.commit()], ["RolledBackError", "NoAuthError"])
    equal("nothing was created", other.exists("/never"), None)


def administration():
    client.sync("/zookeeper")
    config, stat = client.get("/zookeeper/config")
    lines = config.decode().split("\n")
    equal("servers", [line.split("=")[0] for line in lines], ["server.1", "server.2", "server.3", "version"])
    raises("it is not for everybody", NoAuthError, client.set, "/zookeeper/config", b"")
    client.ensure_path("/zookeeper/quota/counted")
    client.create("/counted", b"abc")
    client.create("/zookeeper/quota/counted/zookeeper_limits", b"count=9,bytes=-1")
    client.create("/zookeeper/quota/counted/zookeeper_stats", b"count=0,bytes=0")
    client.create("/counted/child", b"de")
    stats = client.get("/zookeeper/quota/counted/zookeeper_stats")[0]
    equal("statistics", stats, b"count=2,bytes=5")


run(digest, add_auth, set_acls, addresses, in_a_transaction, administration)
for each in (client, other, owner):
    each.stop()
    each.close()
