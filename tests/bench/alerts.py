"""The quality of drift alarms: false pages against the budget, delays, real flights, and the peers on the same rows.

`python -m tests.bench.alerts [--peers all|none|only] [--quick]` writes its tables into docs/alert-quality.md. The
seeds that are reported (1 to 3, 101 to 140) are not those that anything was tuned on (1000 and up).
"""

import argparse
import itertools
import os
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import TypeVar

from tests.bench import alert_rivals
from tests.bench.alert_flights import END, PLANTS, QUIET, ROUGH, Flights
from tests.bench.alert_report import report, rival_report
from tests.bench.alert_results import (
    LARGE,
    NAMED_SEEDS,
    OURSELVES,
    RIVAL_DRIFTS,
    RIVAL_SEEDS,
    RIVAL_WINDOWS,
    Plan,
    Results,
)
from tests.bench.alert_runs import cost, delays, first_alarm, named, quiet
from tests.bench.streams import DRIFTS, KINDS, REFERENCE, Drift, Spec

Found = TypeVar("Found")
DOCUMENT = Path(__file__).parents[2] / "docs" / "alert-quality.md"
MARKS = ("<!-- {} -->", "<!-- end of {} -->")
OURS, THEIRS = "our results", "peers' results"


def run(plan: Plan) -> Iterator[Results]:
    """Everything, on all cores but the timing; what is there so far after each part."""
    results = Results(costs=[cost(50), cost(200)])
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        for columns in plan.columns:
            say(f"streams without drift, {columns} columns")
            work = itertools.product(KINDS, (1000, 100), (columns,), plan.seeds, (plan.windows,))
            results.quiet += pool.map(quiet, [Spec(*one) for one in work], chunksize=1)
            yield results
            if columns == plan.columns[0]:
                yield from _found_in_time(plan, results, pool)
    say("done")


def _found_in_time(plan: Plan, results: Results, pool: Pool) -> Iterator[Results]:
    for kind, n in (("all", 1000), ("iid", 1000), ("all", 100)):
        say(f"delays on {kind}, {n} rows")
        work = [(Spec(kind, n, 50, seed, 500), DRIFTS) for seed in plan.delay_seeds]
        results.delays[kind, n] = joined(pool.starmap(delays, work, chunksize=1))
        yield results
    say("the column that is named")
    work = [(Spec("all", 1000, 50, seed, 500), DRIFTS) for seed in plan.delay_seeds[:NAMED_SEEDS]]
    results.named = joined(pool.starmap(named, work, chunksize=1))
    yield results
    say("windows of 20,000 rows")
    work = [(Spec("iid", 20_000, 5, seed, 500), LARGE) for seed in plan.seeds]
    results.large = joined(pool.starmap(delays, work, chunksize=1))
    say("flights")
    data = Flights()
    results.raised = data.replayed.raised
    results.calm, results.rough = data.pages(QUIET, ROUGH), data.pages(ROUGH, END)
    results.plants = {name: data.delay(name) for name in PLANTS}
    yield results


def rivals(plan: Plan) -> Results:
    """The peers, and ourselves on the very same rows."""
    results = Results()
    for kind, n in itertools.product(KINDS, (100, 1000)):
        spec = Spec(kind, n, 20, 1, plan.peer_windows)
        results.rival_ours.append(quiet(spec))
        for name in plan.peers:
            say(f"{name} on {kind}, {n} rows")
            results.rivals.append(alert_rivals.judge(name, spec, alert_rivals.environment(name)))
    for drift, seed in itertools.product(RIVAL_DRIFTS, RIVAL_SEEDS):
        spec = Spec("all", 1000, 20, seed, RIVAL_WINDOWS, Drift(drift, REFERENCE))
        results.rival_delays.setdefault((OURSELVES, drift), []).append(first_alarm(spec))
        for name in plan.peers:
            say(f"{name} on {drift}, seed {seed}")
            found = alert_rivals.delay(name, spec, alert_rivals.environment(name))
            results.rival_delays.setdefault((name, drift), []).append(found)
    return results


def joined(parts: Iterable[dict[str, Found]]) -> dict[str, list[Found]]:
    """One list a drift."""
    held: dict[str, list[Found]] = {}
    for part in parts:
        for name, found in part.items():
            held.setdefault(name, []).append(found)
    return held


def say(words: str) -> None:
    """Progress."""
    print(f"{datetime.now(UTC):%H:%M:%S} {words}", flush=True)


def write(tables: str, name: str) -> None:
    """Put tables between their marks of the document."""
    begin, finish = (mark.format(name) for mark in MARKS)
    text = DOCUMENT.read_text()
    before, rest = text.split(begin)
    DOCUMENT.write_text(f"{before}{begin}\n{tables}{finish}{rest.split(finish)[1]}")


def main() -> None:
    """Read the command line, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default="all", choices=["all", "none", "only"])
    parser.add_argument("--quick", action="store_true", help="a tenth of it, for trying out; writes nothing")
    asked = parser.parse_args()
    plan = Plan((20,), (1,), 300, range(101, 104), 20) if asked.quick else Plan()
    if asked.peers != "only":
        began = time.time()
        for results in run(plan):
            publish(report(results, plan, time.time() - began), OURS, asked.quick)
    if asked.peers != "none":
        publish(rival_report(rivals(plan)), THEIRS, asked.quick)


def publish(tables: str, name: str, quick: bool) -> None:
    """Show tables, and keep them unless this was only a trial."""
    print(tables, flush=True)
    if not quick:
        write(tables, name)


if __name__ == "__main__":
    main()
