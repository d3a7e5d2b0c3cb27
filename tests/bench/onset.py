"""From the first bad prediction that is sent to the receipt at a local pager: the real daemon, default settings."""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitor.store import alerts, outbox
from monitor.store.db import Store
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


@dataclass(frozen=True, slots=True)
class Onset:
    """Seconds from the first bad prediction until the rule fires, the page is in the outbox, the pager has it."""

    fires: float
    waits: float
    received: float


def onset(bad: Callable[[], dict[str, Any]]) -> Onset:
    """How long a page takes, at twenty predictions a second of which from some moment on all are bad."""
    with tempfile.TemporaryDirectory() as name, PagerDutyStandIn(Path(name), time.time) as pager:
        folder = Path(name)
        rows = [prediction() for _ in range(2000)]
        for row in rows:
            row |= {f"features.{feature}": value for feature, value in row.pop("features").items()}
        pq.write_table(pa.Table.from_pylist(rows), folder / "training.parquet")
        config = CONFIG.format(folder=folder, key=pager.routing_key, url=pager.url, ca=pager.ca_file)
        with Daemon(folder, config, loads_itself=True) as daemon:
            _send_for(daemon, prediction, _GOOD_SECONDS, lambda: False)
            assert not pager.incidents, "there was a page before there was a fault"
            began, received = time.time(), [0.0]

            def has_come() -> bool:
                received[0] = time.time()
                return bool(pager.incidents)

            _send_for(daemon, bad, _LIMIT, has_come)
            assert pager.incidents, f"no page within {_LIMIT:.0f} seconds; the daemon said:\n{daemon.said()}"
            fired, written = _stages(daemon, pager.incidents[0].key)
            return Onset(fired - began, written - began, received[0] - began)


def _stages(daemon: Daemon, key: str) -> tuple[float, float]:
    """When the alert of a page fired, and when the page was written."""
    store = Store(daemon.store_url)
    with store.read() as connection:
        page = next(one for one in outbox.conversation(connection, "pagerduty", key))
        alert = alerts.get(connection, page.fingerprint)
    store.close()
    assert alert is not None
    assert alert.fired_at is not None
    return alert.fired_at, page.created_at


def _send_for(
    daemon: Daemon, make: Callable[[], dict[str, Any]], seconds: float, is_over: Callable[[], bool]
) -> None:
    end = time.monotonic() + seconds
    sends = 0.0
    while time.monotonic() < end and not is_over():
        if time.monotonic() >= sends:
            send(daemon, [make() for _ in range(4)])
            sends = time.monotonic() + 0.2
        time.sleep(0.02)


def measure() -> list[Line]:
    """Lines for each kind of fault: the whole, and what of it passed before the rule fired and the page was written."""
    lines = []
    for name, bad in FAULTS.items():
        took = onset(bad)
        lines += [
            show(against_goal(f"onset to page, {name}", took.received, GOAL, "s wall")),
            show(Line(f"onset to the rule's firing, {name}", "", took.fires, None, "s wall", None)),
            show(Line(f"onset to the page in the outbox, {name}", "", took.waits, None, "s wall", None)),
        ]
    return lines


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    measure()
