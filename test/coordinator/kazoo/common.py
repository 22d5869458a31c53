"""What the scripts share: a client, checks that say what came, and the one line of results at the end.

A script is called with a connect string and perhaps more, prints lines of JSON, the last one with
"ok": true, and ends with 1 and a message on stderr when something is not as it should be.
"""

import json
import logging
import sys
import traceback

from kazoo.client import KazooClient

WAIT_S = 20


def connect(hosts=None, timeout=6.0, **options):
    """A started client of the ensemble that the script was called with."""
    client = KazooClient(hosts=hosts or sys.argv[1], timeout=timeout, **options)
    client.start(timeout=WAIT_S)
    return client


def tell(**values):
    print(json.dumps(values), flush=True)


def equal(what, got, expected):
    if got != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {got!r}")


def true(what, got):
    if not got:
        raise AssertionError(f"{what}: expected it to be so, got {got!r}")


def raises(what, error, action, *arguments, **options):
    """Checks that the action raises exactly this class of error, and returns the error."""
    try:
        result = action(*arguments, **options)
    except Exception as raised:
        if type(raised) is not error:
            raise AssertionError(f"{what}: expected {error.__name__}, got {raised!r}") from raised
        return raised
    raise AssertionError(f"{what}: expected {error.__name__}, got the result {result!r}")


def run(*parts):
    """Runs the parts of a script and tells which; ends with 1 when one fails."""
    # A lost connection is part of what is tested; kazoo reports it at length.
    logging.disable(logging.CRITICAL)
    done = []
    for part in parts:
        try:
            part()
        except Exception:
            print(f"{part.__name__} failed:", file=sys.stderr)
            traceback.print_exc()
            sys.exit(1)
        done.append(part.__name__)
    tell(ok=True, done=done)
