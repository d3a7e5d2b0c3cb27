"""Writes a store as a daemon leaves it behind that is killed in the middle of its work: what an upgrade has to open.

    python -m tests.support.make_store FOLDER

`tests/data/store-*.db.xz` were made by the version that their name says; see `tests/store/test_upgrade.py`.
"""

import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from monitor.alerts import silencing
from monitor.app import App
from monitor.cli.registry import app as command
from monitor.clock import ManualClock
from monitor.config.root import load
from monitor.predictions.intake.parse import RecordKind
from monitor.store import api_keys
from monitor.store.api_keys import KeyKind as KeyKind
from monitor.store.db import Store
from tests.support import history
from tests.support.history import DAY
from tests.support.log import send
from tests.support.rule_files import sensitive_error_rate

BEGAN = 1_795_046_400.0 // DAY * DAY  # a Thursday, 2026-11-19
STEP, ROWS, DAYS = 3600, 10, 8
CONFIG = """\
store: {{url: "{url}"}}
predictions: {{base_window: 1h}}
windows: {{idle: 30d}}
drift: {{false_alarms: 1 per 30 days}}
rules: {{files: ["{folder}/mine.yaml"]}}
notify:
  pagerduty: {{routing_key: "{key}", events_url: "{pager}"{more}}}
  slack: {{webhook_url: "https://127.0.0.1:9/nobody"}}
  console: false
  spool: "{folder}/spool"
"""
RULES = sensitive_error_rate(keep_firing_for="4s")


def configured(
    folder: Path, url: str, pager: str = "https://127.0.0.1:9/nobody", ca: Path | None = None
) -> Path:
    """The configuration of the daemon that writes the store, and of the one that goes on with it."""
    (folder / "mine.yaml").write_text(RULES, encoding="utf-8")
    path = folder / "watchkeeper.yaml"
    more = f', ca_file: "{ca}"' if ca else ""
    text = CONFIG.format(folder=folder, url=url, key="R" * 32, pager=pager, more=more)
    path.write_text(text, encoding="utf-8")
    return path


def main(folder: Path, url: str) -> None:
    """Several models, alerts open and over, pages that nobody took, silences, outcomes, baselines, drift."""
    path = configured(folder, url)
    file = history.file(folder, int(BEGAN) - DAYS * DAY, int(BEGAN), STEP, ROWS)
    run(path, "load", "acme/fraud", str(file))
    clock = ManualClock(BEGAN)
    config = load(path)
    app = App(config, clock)
    app.log.start()
    _keys(app.store, BEGAN)
    app.baselines.update(BEGAN)
    _traffic(app, clock)
    app.log.stop()
    app.store.close()


def _traffic(app: App, clock: ManualClock) -> None:
    for hour in range(10):
        start = int(BEGAN) + hour * STEP
        clock.set(start + STEP - 20.0)
        rows = history.table(start, start + STEP, STEP, ROWS, older_by=35.0 if hour > 4 else 0.0, version="8")
        told = list(history.records(rows))
        send(app.log, RecordKind.PREDICTIONS, told)
        truths = [_truth(row, clock.now()) for row in told[:9]]
        send(app.log, RecordKind.OUTCOMES, truths)
        bad = hour == 3 or hour > 7
        send(
            app.log,
            RecordKind.PREDICTIONS,
            [_price(n, clock.now(), failed=bad and n % 2 == 0) for n in range(24)],
        )
        send(app.log, RecordKind.PREDICTIONS, [_churn(n, clock.now(), failed=hour > 6) for n in range(24)])
        for _ in range(3):
            app.tick()
            clock.advance(5)
        app.jobs.learn()
        app.jobs.compact()
        if hour == 6:
            _silence(app.store, 'model="churn"', clock.now())
    # Outcomes whose predictions have not come yet, and a record that was refused.
    send(
        app.log,
        RecordKind.OUTCOMES,
        [{**_truth(told[0], clock.now()), "id": f"unknown-{n}"} for n in range(5)],
    )
    send(
        app.log,
        RecordKind.PREDICTIONS,
        [{"client": "acme", "model": "fraud", "confidence": 7}],
        key="a key of the sender",
    )
    app.daily_summaries.update(clock.now())
    app.store_versions()
    clock.advance(120)
    for _ in range(6):
        app.dispatcher.step()  # nobody listens: attempts fail, and deliveries wait
    app.pipeline.uptime.keep(clock.now())


def _keys(store: Store, now: float) -> None:
    with store.write() as connection:
        api_keys.create(connection, KeyKind.INGEST, "acme", now, name="their sender")
        api_keys.create(connection, KeyKind.STAFF, "", now, name="ours")


def _silence(store: Store, matcher: str, now: float) -> None:
    with store.write() as connection:
        silencing.add(
            connection, [matcher], starts_at=now, seconds=30 * DAY, author="ana", comment="retrained", now=now
        )


def _truth(row: dict[str, Any], now: float) -> dict[str, Any]:
    return {"id": row["id"], "client": "acme", "model": "fraud", "timestamp": now, "truth": row["prediction"]}


def _price(number: int, now: float, *, failed: bool) -> dict[str, Any]:
    answer = {"error": "timeout"} if failed else {"prediction": 100.0 + number}
    return {
        "client": "globex",
        "model": "price",
        "timestamp": now,
        "features": {"size": number * 1.5},
        **answer,
    }


def _churn(number: int, now: float, *, failed: bool) -> dict[str, Any]:
    answer = {"error": "upstream"} if failed else {"prediction": number % 2 == 0, "confidence": 0.8}
    return {"client": "acme", "model": "churn", "timestamp": now, "segments": {"region": "north"}, **answer}


def run(path: Path, *words: str) -> str:
    """What a command prints."""
    return CliRunner().invoke(command, [*words, "--config", str(path)]).output


if __name__ == "__main__":
    place = Path(sys.argv[1])
    main(place, f"sqlite:///{place}/watchkeeper.db")
