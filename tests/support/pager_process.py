"""A pager as a process of its own, to be killed: it judges one error rate, delivers, and dies where it is told to.

    python -m tests.support.pager_process FOLDER URL CA_FILE RATE KILL_AT

`KILL_AT` is the step before which it sends itself SIGKILL: judged, committed, claimed, sent, settled; or `never`.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitor.alerts import AlertSettings, advance
from monitor.clock import SystemClock
from monitor.notify.channels.pagerduty import PagerDuty, PagerDutySettings
from monitor.notify.delivery.dispatcher import Dispatcher
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import OPEN, Readings
from monitor.store import alerts as alert_rows
from monitor.store import outbox
from monitor.store.db import Store
from tests.support import schema
from tests.support.judging import STREAM, measured, one_rule
from tests.support.pagerduty import PagerDutyStandIn

RULE = "{metric: error_rate, over: open, above: 5%}"
LEASE = 0.5


def main(folder: str, url: str, ca_file: str, rate: str, kill_at: str) -> None:
    """One look, then everything that is due."""

    def step(name: str) -> None:
        if name == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    store = Store(f"sqlite:///{folder}/pager.db")
    schema.create(store)
    key = PagerDutyStandIn.routing_key
    settings = PagerDutySettings.model_validate({"routing_key": key, "events_url": url, "ca_file": ca_file})
    channel = PagerDuty(settings)
    _before(outbox, "settle", lambda: step("settled"))
    _before(channel, "send", lambda: step("claimed"), lambda: step("sent"))
    _look(store, Path(folder), float(rate), step)
    dispatcher = Dispatcher(store, {"pagerduty": channel}, SystemClock(), LEASE)
    deadline = time.monotonic() + 5
    while dispatcher.step() or (dispatcher.next_due() is not None and time.monotonic() < deadline):
        pass
    store.close()


def _look(store: Store, folder: Path, rate: float, step: Callable[[str], None]) -> None:
    now = time.time()
    rules = one_rule(folder, RULE)
    with store.write() as connection:
        alerts = alert_rows.load(connection)
        readings = Readings({(STREAM, OPEN): [measured("error_rate", rate)]})
        judgement = evaluate(rules, readings, alerts, now)
        step("judged")
        advance(connection, judgement, alerts, AlertSettings(), ["pagerduty"], now)
        step("committed")


def _before(
    owner: Any, name: str, first: Callable[[], None], then: Callable[[], None] = lambda: None
) -> None:
    real = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        first()
        answer = real(*arguments, **named)
        then()
        return answer

    setattr(owner, name, wrapped)


if __name__ == "__main__":
    main(*sys.argv[1:])
