"""What the scripts share: the brokers they are called with, settings of clients, and the checks of all scripts."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "python"))
from checks import WAIT_S, equal, raises, run, until

__all__ = ["BROKERS", "RETRYING", "WAIT_S", "equal", "patient", "raises", "run", "until"]

BROKERS = sys.argv[1].split(",")
# Of a producer: as other clients do by themselves, it sends again what a broker refuses while leaders change.
RETRYING = {"retries": 1_000, "max_in_flight_requests_per_connection": 1}


def patient(**options):
    """Settings of a client that bears with a cluster that loses a broker."""
    return {
        "bootstrap_servers": BROKERS,
        "retry_backoff_ms": 50,
        "reconnect_backoff_ms": 20,
        "reconnect_backoff_max_ms": 200,
        # How long it may take a broker to tell its versions: 2 s of its own accord.
        "api_version_auto_timeout_ms": WAIT_S * 1_000,
        **options,
    }
