"""The quality of drift alarms: false pages against the budget, delays, real flights, and the peers on the same rows.

`python -m tests.bench.alerts [--peers all|none|only] [--quick]` writes its tables into docs/alert-quality.md. The
seeds that are reported (1 to 3, 101 to 140) are not those that anything was tuned on (1000 and up).
"""

import argparse
import itertools
import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import TypeVar

import numpy as np

from tests.bench import alert_rivals
from tests.bench.alert_flights import END, PLANTS, QUIET, ROUGH, Flights, Page
from tests.bench.alert_rivals import PEERS, Rival
from tests.bench.alert_runs import A, Cost, Named, Quiet, cost, delays, first_alarm, named, quiet
from tests.bench.streams import DRIFTS, KINDS, REFERENCE, Drift, Spec

Found = TypeVar("Found")

DOCUMENT = Path(__file__).parents[2] / "docs" / "alert-quality.md"
MARKS = ("<!-- {} -->", "<!-- end of {} -->")
OURS, THEIRS = "our results", "peers' results"
SEEDS, DELAY_SEEDS = (1, 2, 3), range(101, 141)
NAMED_SEEDS = 10
OURSELVES = "Watchkeeper"
RIVAL_DRIFTS = ("0.2 sd", "0.5 sd", "sd x1.3", "missing 2 -> 5 %", "new category 2 %")
RIVAL_SEEDS, RIVAL_WINDOWS = (101, 102, 103), 24
LARGE = ("0.02 sd", "0.05 sd", "0.08 sd", "0.12 sd")


@dataclass
class Plan:
    """How much is run."""

    columns: tuple[int, ...] = (50, 20, 200)
    seeds: Sequence[int] = SEEDS
    windows: int = 3000
    delay_seeds: Sequence[int] = DELAY_SEEDS
    peer_windows: int = 100
    peers: tuple[str, ...] = tuple(PEERS)


@dataclass
class Results:
    """What was seen."""

    quiet: list[Quiet] = field(default_factory=list)
    delays: dict[tuple[str, int], dict[str, list[float]]] = field(default_factory=dict)
    large: dict[str, list[float]] = field(default_factory=dict)
    named: dict[str, list[Named]] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    calm: list[Page] = field(default_factory=list)
    rough: list[Page] = field(default_factory=list)
    plants: dict[str, float] = field(default_factory=dict)
    raised: float = 1.0
    rivals: list[Rival] = field(default_factory=list)
    rival_ours: list[Quiet] = field(default_factory=list)
    rival_delays: dict[tuple[str, str], list[float]] = field(default_factory=dict)


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


def report(results: Results, plan: Plan, took: float) -> str:
    """The tables as Markdown."""
    made = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}"
    parts = [
        f"Made on {made} in {took / 60:.0f} minutes ({machine}); seeds {plan.seeds} and {plan.delay_seeds}."
    ]
    parts.append(
        f"\n### Streams without drift\n\nBudget: one false alarm in {A:.0f} windows (30 days of hours).\n"
    )
    parts.append(_quiet_table(results.quiet))
    parts.append(
        "\n### Delay\n\nIn windows: median (90th percentile), and the share found within 336 windows.\n"
    )
    parts.append(_delay_table(results.delays))
    if results.named:
        parts.append("\n### The column that is named\n")
        parts.append(_named_table(results.named))
    parts.append("\n### Windows of 20,000 rows\n")
    parts.extend(f"- {name}: {_found(found)}" for name, found in results.large.items())
    if results.plants:
        parts.append("\n### Flights\n")
        parts.append(_flights(results))
    parts.append("\n### Cost of deciding on one window\n")
    parts.extend(
        f"- {one.columns} columns: {one.milliseconds:.1f} ms of CPU (99th percentile {one.worst:.1f} ms), state "
        f"{one.state / 1000:.0f} kB, calibration {one.calibration / 1000:.0f} kB"
        for one in results.costs
    )
    return "\n".join(parts) + "\n"


def _quiet_table(runs: Sequence[Quiet]) -> str:
    lines = [
        "| stream | columns | windows | pages | pages per 1,000 | budget ratio | alert windows per 1,000 | "
        "clean columns alarmed |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    keys = sorted(
        {(one.spec.kind, one.spec.n, one.spec.columns) for one in runs},
        key=lambda k: (KINDS.index(k[0]), k[1:]),
    )
    for kind, n, columns in keys:
        mine = [one for one in runs if (one.spec.kind, one.spec.n, one.spec.columns) == (kind, n, columns)]
        windows, pages = sum(one.spec.windows for one in mine), sum(one.pages for one in mine)
        opened = 1000 * sum(one.open_windows for one in mine) / windows
        blamed = sum(one.columns_blamed for one in mine)
        lines.append(
            f"| {kind}, n = {n:,} | {columns} | {windows:,} | {pages} | {1000 * pages / windows:.2f} | "
            f"{pages * A / windows:.2f} | {opened:.1f} | {blamed} |"
        )
    return "\n".join(lines)


def _found(found: Sequence[float]) -> str:
    values = np.array(found)
    share = np.isfinite(values).mean()
    if share == 0:
        return "never"
    middle, late = np.quantile(np.where(np.isfinite(values), values, 1e9), [0.5, 0.9])
    text = [f"{value:.0f}" if value < 1e8 else "-" for value in (middle, late)]
    return f"{text[0]} ({text[1]})" + ("" if share == 1 else f", {share:.0%} found")


def _delay_table(held: dict[tuple[str, int], dict[str, list[float]]]) -> str:
    lines = ["| drift | " + " | ".join(f"{kind}, n = {n:,}" for kind, n in held) + " |"]
    lines.append("|---" * (len(held) + 1) + "|")
    lines.extend(
        f"| {name} | " + " | ".join(_found(held[key][name]) for key in held) + " |" for name in DRIFTS
    )
    return "\n".join(lines)


def _named_table(held: dict[str, list[Named]]) -> str:
    lines = [
        "| drift on all, n = 1,000, 50 columns | runs | found | its column first | other columns in the incident |"
    ]
    lines.append("|---|---|---|---|---|")
    for name, runs in held.items():
        found = [one for one in runs if one.found]
        first = f"{sum(one.first for one in found)} of {len(found)}"
        others = np.mean([one.others for one in runs])
        lines.append(f"| {name} | {len(runs)} | {len(found)} | {first} | {others:.1f} |")
    return "\n".join(lines)


def _flights(results: Results) -> str:
    def listed(pages: Sequence[Page]) -> str:
        return "; ".join(
            f"{datetime.fromtimestamp(page.at, UTC):%d %b} {', '.join(page.columns).replace('features.', '')}"
            f"{'' if page.explained else ' (no weekly mean explains it)'}"
            for page in pages
        )

    unexplained = sum(not page.explained for page in results.calm)
    lines = [
        f"- quiet month, 28 October to 24 November: {len(results.calm)} pages, {unexplained} of them without a weekly "
        f"mean that left the range of the reference: {listed(results.calm) or 'none'}",
        f"- 25 November to 31 December, storms and holidays: {len(results.rough)} pages: {listed(results.rough)}",
        f"- the replay of the reference raised the limit {results.raised:.1f} times",
        "",
        "| planted on 4 November | hours with flights until found |",
        "|---|---|",
    ]
    lines.extend(
        f"| {name} | {'not in three weeks' if np.isinf(delay) else f'{delay:.0f}'} |"
        for name, delay in results.plants.items()
    )
    return "\n".join(lines)


def rival_report(results: Results) -> str:
    """The peers' table as Markdown."""
    lines = [
        f"Made on {datetime.now(UTC):%Y-%m-%d}: share of windows without drift in which at least one of 20 columns is "
        "in alert; in brackets, alerts that began, of how many windows.",
        "",
        "| stream | Watchkeeper | " + " | ".join(PEERS) + " |",
        "|---" * (len(PEERS) + 2) + "|",
    ]
    for ours in results.rival_ours:
        mine = {one.name: one for one in results.rivals if one.spec == ours.spec}
        cells = [f"{ours.open_windows / ours.spec.windows:.0%} ({ours.pages} of {ours.spec.windows})"]
        cells += [
            f"{mine[name].alerts / mine[name].windows:.0%} ({mine[name].pages} of {mine[name].windows})"
            for name in mine
        ]
        lines.append(f"| {ours.spec.kind}, n = {ours.spec.n:,} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *_rival_delays(results)]) + "\n"


def _rival_delays(results: Results) -> list[str]:
    names = list(dict.fromkeys(name for name, _ in results.rival_delays))
    lines = [
        "Windows until the column that drifts is in alert, on `all` with 1,000 rows, the drift beginning with the "
        f"first window after the reference: one figure for each of the seeds {RIVAL_SEEDS}, `-` where not within "
        f"{RIVAL_WINDOWS}. A tool that alarms most clean windows, too, is early by chance.",
        "",
        "| drift | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for drift in RIVAL_DRIFTS:
        cells = [
            ", ".join("-" if np.isinf(one) else f"{one:.0f}" for one in results.rival_delays[name, drift])
            for name in names
        ]
        lines.append(f"| {drift} | " + " | ".join(cells) + " |")
    return lines


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
