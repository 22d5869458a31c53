"""What the scripts share: settings of clients, checks that say what came, and the one line of results at the end.

A script is called with the brokers' addresses and perhaps more. It ends with 1 and a message on stderr when
something is not as it should be, else with a line of JSON that names what it did.
"""

import json
import logging
import sys
import time
import traceback

WAIT_S = 30
POLL_S = 0.02
BROKERS = sys.argv[1].split(",")


def patient(**options):
    """Settings of a client that bears with a cluster that loses a broker."""
    return {
        "bootstrap_servers": BROKERS,
        "retry_backoff_ms": 50,
        "reconnect_backoff_ms": 20,
        "reconnect_backoff_max_ms": 200,
        **options,
    }


def equal(what, got, expected):
    if got != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {got!r}")


def raises(what, error, action, *arguments, **options):
    """Checks that the action raises exactly this class of error."""
    try:
        result = action(*arguments, **options)
    except Exception as raised:
        if type(raised) is not error:
            raise AssertionError(f"{what}: expected {error.__name__}, got {raised!r}") from raised
        return
    raise AssertionError(f"{what}: expected {error.__name__}, got the result {result!r}")


def until(what, look, wanted):
    """Looks again and again until it sees what is wanted."""
    deadline = time.monotonic() + WAIT_S
    while True:
        seen = look()
        if seen == wanted:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: expected {wanted!r} in the end, last seen {seen!r}")
        time.sleep(POLL_S)


def run(*parts):
    """Runs the parts of a script and tells which; ends with 1 when one fails."""
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
    print(json.dumps({"ok": True, "done": done}), flush=True)
