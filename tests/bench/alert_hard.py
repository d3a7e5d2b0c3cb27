"""The quality of drift alarms on hard streams: `python -m tests.bench.alert_hard` writes its tables into
docs/alert-quality.md; `--only few` or `--only hard` makes one of them. The seeds that are reported (1 to 20) are not
those that anything was tuned on (1000 and up).
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np

from monitor import drift
from monitor.drift.learning import learn
from tests.bench import few_rows, hard_streams
from tests.bench.alert_runs import BUDGET, WITHIN, A
from tests.bench.alerts import write
from tests.bench.few_rows import FewRows, Life
from tests.bench.hard_streams import JUDGED, REFERENCE, Hard
from tests.bench.streams import HOUR

SEEDS, FEW_SEEDS = (1, 2, 3, 4), tuple(range(1, 21))
FEW = (
    FewRows(50, 0, days=120),
    FewRows(50, 0, wander=0.2, season=0.2, columns=30, days=120),
    FewRows(200, 0, wander=0.1, season=0.3, days=120),
    FewRows(50, 0, shift=0.5),
    FewRows(50, 0, shift=1.0),
    FewRows(50, 0, shift=0.5, wander=0.1, season=0.2),
    FewRows(200, 0, shift=0.3),
    FewRows(2000, 0, days=120, at_once=True),
    FewRows(2000, 0, wander=0.1, days=120, at_once=True),
    FewRows(2000, 0, shift=0.5, at_once=True),
    FewRows(2000, 0, shift=0.5, wander=0.1, at_once=True),
)
STREAMS = (
    ("zipf", 1000, ("new value 2 %", "10 points")),
    ("zipf", 100, ("new value 2 %", "10 points")),
    ("churn", 1000, ("plain 0.5 sd",)),
    ("amplitude", 1000, ("0.5 sd",)),
    ("amplitude ramp", 1000, ("0.5 sd",)),
    ("amplitude ramp", 100, ("0.5 sd",)),
    ("wander", 1000, ("0.5 sd",)),
    ("stale", 1000, ("0.5 sd",)),
    ("stale", 100, ("0.5 sd",)),
)
WORDS = {
    "zipf": "five columns of 5,000 values (Zipf, 1.3)",
    "churn": "identifiers, 1 % of them new each day",
    "amplitude": "daily amplitude that rises and falls by half in six weeks",
    "amplitude ramp": "daily amplitude that grows by half in four weeks",
    "wander": "slow wander (0.98, 0.15 standard deviations)",
    "stale": "three columns that repeat one value from midnight to six, another each night",
}
MOVED = {"plain 0.5 sd": "plain 0"}


@dataclass(frozen=True, slots=True)
class Seen:
    """Pages, windows with an open incident, and windows until the moved column joined; infinite beyond two weeks."""

    spec: Hard
    pages: int
    open_windows: int
    delay: float


def judge(spec: Hard) -> Seen:
    """Learn as the daemon does, then evaluate the rest; with a drift, until it is found."""
    stream, columns = hard_streams.windows(spec), hard_streams.columns(spec)
    calibration = learn(columns, [next(stream) for _ in range(REFERENCE)], BUDGET, drift.DriftSettings())
    limits, state = drift.limits(calibration.columns, A * calibration.raised), drift.begin(calibration)
    name = MOVED.get(spec.drift, columns[0].name)
    moved = next(index for index, column in enumerate(columns) if column.name == name)
    pages = opened = 0
    for t, window in enumerate(stream, REFERENCE):
        state, decision = drift.advance(calibration, state, window, limits)
        pages += decision.opened
        opened += state.incident.is_open
        if spec.drift and t >= spec.begin and state.incident.member[moved]:
            return Seen(spec, pages, opened, t - spec.begin + 1.0)
        if spec.drift and t >= spec.begin + WITHIN:
            break
    return Seen(spec, pages, opened, float("inf"))


def table(seen: list[Seen]) -> Iterator[str]:
    """One row a stream."""
    days = JUDGED * HOUR // 86_400
    yield f"\n{len(SEEDS)} seeds, {days} days each; the budget is one page in 30 days. Delays are medians (worst).\n"
    yield "| stream | rows a window | pages | budget ratio | windows with an open incident | delay in windows |"
    yield "|---|---|---|---|---|---|"
    for kind, n, drifts in STREAMS:
        quiet = [one for one in seen if (one.spec.kind, one.spec.n, one.spec.drift) == (kind, n, "")]
        pages = sum(one.pages for one in quiet)
        ratio = pages * A / (JUDGED * len(quiet))
        share = sum(one.open_windows for one in quiet) / (JUDGED * len(quiet))
        delays = "; ".join(_delay(seen, kind, n, drift) for drift in drifts)
        yield f"| {WORDS[kind]} | {n:,} | {pages} | {ratio:.2f} | {share:.1%} | {delays} |"


def few_table(specs: list[FewRows], lives: list[Life]) -> Iterator[str]:
    """One row a stream of few rows."""
    yield f"\n{len(FEW_SEEDS)} seeds each; shifts last {few_rows.LASTS_DAYS} days. Windows are medians (worst).\n"
    yield (
        "| rows a day | stream | false pages (budget ratio) | shift | found after windows | left before its end "
        "| left after its end, in windows | `since` off by more than a day | range holds the start |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for form in FEW:
        mine = [
            life for spec, life in zip(specs, lives, strict=True) if replace(spec, seed=form.seed) == form
        ]
        usual = f"wander {form.wander:g}, season {form.season:g} sd" if form.wander else "independent rows"
        usual += ", at once on each working day" if form.at_once else ""
        line = f"| {form.rows:,} | {usual}, {form.columns} columns |"
        if not form.shift:
            pages = sum(one.pages for one in mine)
            yield f"{line} {pages} ({pages * 30 / (form.days * len(mine)):.2f}) | | | | | | |"
            continue
        found = [one for one in mine if np.isfinite(one.delay)]
        early = sum(one.lasted < 0 for one in found)
        wrong = sum(abs(one.late) > 24 for one in found)
        yield (
            f"{line} | {form.shift:g} sd | {_middle([one.delay for one in mine])} | {early} of {len(found)} | "
            f"{_middle([one.lasted for one in found])} | {wrong} of {len(found)} | "
            f"{sum(one.holds for one in found)} of {len(found)} |"
        )


def _middle(windows: list[float]) -> str:
    worst, known = max(windows), sum(np.isfinite(windows))
    late = f"{worst:.0f}" if np.isfinite(worst) else f"{known} of {len(windows)} within the stream"
    return f"{np.median(windows):.0f} ({late})"


def _delay(seen: list[Seen], kind: str, n: int, drift_: str) -> str:
    mine = [one.delay for one in seen if (one.spec.kind, one.spec.n, one.spec.drift) == (kind, n, drift_)]
    worst, found = max(mine), sum(np.isfinite(mine))
    late = f"{worst:g}" if np.isfinite(worst) else f"{found} of {len(mine)} found within two weeks"
    return f"{drift_} {np.median(mine):g} ({late})"


def main() -> None:
    """Read the command line, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["few", "hard"], help="one of the two tables")
    asked = parser.parse_args()
    few = [replace(spec, seed=seed) for spec in FEW for seed in FEW_SEEDS]
    work = [
        Hard(kind, n, seed, drift_)
        for kind, n, drifts in STREAMS
        for drift_ in ("", *drifts)
        for seed in SEEDS
    ]
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        if asked.only != "hard":
            lives = pool.map(few_rows.judge, few, chunksize=1)
            _put("\n".join(few_table(few, lives)) + "\n", "few rows")
        if asked.only != "few":
            _put("\n".join(table(pool.map(judge, work, chunksize=1))) + "\n", "hard streams")


def _put(text: str, mark: str) -> None:
    print(text, flush=True)
    write(text, mark)


if __name__ == "__main__":
    main()
