"""What the scripts share: the brokers they are called with, settings of clients, and the checks of all scripts."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "python"))
from checks import WAIT_S, equal, raises, run, until

__all__ = ["BROKERS", "WAIT_S", "equal", "patient", "raises", "run", "until"]

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
