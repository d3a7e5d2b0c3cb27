"""From the first bad prediction that is sent to the receipt at a local pager: the real daemon, default settings."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.line import Line, against_goal, show
from tests.support.daemon import Daemon
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.traffic import failed, prediction, send

GOAL = 10.0
_GOOD_SECONDS = 20.0
_LIMIT = 60.0
CONFIG = """\
clients:
  acme:
    name: Acme
    models:
      fraud: {{title: Fraud check, baseline: {{file: "{folder}/training.parquet"}}}}
notify:
  pagerduty: {{routing_key: "{key}", events_url: "{url}", ca_file: "{ca}"}}
  console: false
"""
FAULTS: dict[str, Callable[[], dict[str, Any]]] = {
    "errors": lambda: failed(),
    "latency": lambda: prediction(latency_ms=250.0),
}


def onset(bad: Callable[[], dict[str, Any]]) -> float:
    """Seconds until the pager has a page, at twenty predictions a second of which from some moment on all are bad."""
    with tempfile.TemporaryDirectory() as name, PagerDutyStandIn(Path(name), time.time) as pager:
        folder = Path(name)
        rows = [prediction() for _ in range(2000)]
        for row in rows:
            row |= {f"features.{feature}": value for feature, value in row.pop("features").items()}
        pq.write_table(pa.Table.from_pylist(rows), folder / "training.parquet")
        config = CONFIG.format(folder=folder, key=pager.routing_key, url=pager.url, ca=pager.ca_file)
        with Daemon(folder, config) as daemon:
            _send_for(daemon, prediction, _GOOD_SECONDS, lambda: False)
            assert not pager.incidents, "there was a page before there was a fault"
            began = time.monotonic()
            _send_for(daemon, bad, _LIMIT, lambda: bool(pager.incidents))
            assert pager.incidents, f"no page within {_LIMIT:.0f} seconds; the daemon said:\n{daemon.said()}"
            return time.monotonic() - began


def _send_for(
    daemon: Daemon, make: Callable[[], dict[str, Any]], seconds: float, is_over: Callable[[], bool]
) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not is_over():
        send(daemon, [make() for _ in range(4)])
        time.sleep(0.2)


def measure() -> list[Line]:
    """A line for each kind of fault."""
    return [
        show(against_goal(f"onset to page, {name}", onset(bad), GOAL, "s wall"))
        for name, bad in FAULTS.items()
    ]


if __name__ == "__main__":
    measure()
