"""What is dear in a tick beside measuring: a storm of alerts, and a month that is judged again."""

import tempfile
import time
from pathlib import Path

from monitor.backtest import backtest
from monitor.metrics import METRICS
from monitor.records import Stream
from monitor.rules import load
from tests.bench.line import Line, show
from tests.support import month
from tests.support.judging import one_rule
from tests.support.log import running
from tests.support.paging import PagingDaemon, errors

BASE = 60
START = 1_800_000_000 - 1_800_000_000 % 3600


def storm() -> float:
    """Wall seconds to judge and store ten thousand new alerts in one tick, the dearest there is."""
    rule = "{metric: error_rate, over: open, above: 5%}"
    with (
        tempfile.TemporaryDirectory() as folder,
        PagingDaemon(Path(folder), one_rule(Path(folder), rule)) as daemon,
    ):
        many = [errors(0.3, Stream("acme", f"model-{number:05}")) for number in range(10_000)]
        began = time.perf_counter()
        daemon.tick(many)
        return time.perf_counter() - began


def past(models: int = 10) -> float:
    """Wall seconds to judge a month of one-minute windows of so many models by the shipped packs."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (_, store):
        month.write(store, models, START, 43_200)
        packs = [Path("rules") / f"{name}.yaml" for name in ("critical", "warning", "info", "daemon")]
        rules = load(packs, METRICS)
        began = time.perf_counter()
        backtest(store, rules, START, START + 43_200 * 60, base_seconds=BASE)
        return time.perf_counter() - began


def measure() -> list[Line]:
    """Lines of the table."""
    works = {"10,000 new alerts judged and stored": storm, "backtest, a month of minutes, ten models": past}
    return [show(Line(work, "none", run(), None, "s wall", None)) for work, run in works.items()]
