"""Checks that say what came, and the one line of results at the end: what the scripts of all clients share.

A script prints lines of JSON, the last one with "ok": true, and ends with 1 and a message on stderr when something
is not as it should be.
"""

import json
import logging
import sys
import time
import traceback

WAIT_S = 30
POLL_S = 0.01


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
    # A lost connection is part of what is tested; clients report it at length.
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
