"""Drift in the relation of columns: `python -m tests.bench.alert_relations` writes its tables into
docs/alert-quality.md; `--peers none` leaves the peers out, `--peers scikit-learn` runs only what needs no other
environment, `--quick` runs a tenth and writes nothing.

Twenty columns are standard normal, in four groups of five. Within a group each pair has a correlation of 0.6; season,
wander and shocks move the means as in `tests.bench.streams`. A drift changes how the first column moves with its
group, from the reference's end on, and leaves its own distribution as it was. Two label columns are independent of
them; the last drift moves the first column by half a standard deviation within one label, and back in all other rows,
so that no column changes. The seeds that are reported (1 to 3, 101
to 105) are not those that anything was tuned on (1000 and up).
"""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from multiprocessing import get_context

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from monitor import drift
from monitor.drift.columns import FIRST, ColumnType, WatchedColumn, WindowCounts
from monitor.drift.learning import learn
from monitor.records import Window
from monitor.windows.layout.layout import RELATION
from monitor.windows.layout.relations import MOST_LABELLED, OPPOSITE, SAME
from tests.bench import alert_rivals
from tests.bench.alert_runs import BUDGET, A
from tests.bench.alerts import say, write
from tests.bench.streams import (
    BUCKETS,
    HOUR,
    KINDS,
    MONDAY,
    REFERENCE,
    Spec,
    bucketed,
    hidden,
    identity,
    rows_of,
)

COLUMNS, GROUP, CORRELATION = 20, 5, 0.6
PAIRS = tuple(
    (first, second)
    for start in range(0, COLUMNS, GROUP)
    for first in range(start, start + GROUP)
    for second in range(first + 1, start + GROUP)
)
LABELS = (0.4, 0.3, 0.2, 0.1)
LABEL_COLUMNS, MOVED_LABEL, WITHIN_LABEL = 2, 1, "0.5 sd within a label of 30 %"
BELOW = -0.5244005
"""The normal quantile of the share of the label that moves."""
DEPENDENCE = 0.5 * LABELS[MOVED_LABEL] / (np.exp(-(BELOW**2) / 2) / np.sqrt(2 * np.pi))
"""The correlation of the first column and a hidden one, whose lowest 30 % have the label, that moves its mean there by
half a standard deviation.
"""
LABELLED = tuple(
    (number, column, label)
    for label in range(len(LABELS))
    for column in range(LABEL_COLUMNS)
    for number in range(COLUMNS)
)[:MOST_LABELLED]
"""The pairs that a layout would choose."""
DRIFTS = {"0.6 -> -0.6": -1.0, "0.6 -> 0": 0.0, "0.6 -> 0.4": 2 / 3, WITHIN_LABEL: 1.0}
"""By drift: what the first column's share of its group's factor is multiplied by."""
SEEDS, DELAY_SEEDS, WINDOWS, WITHIN = (1, 2, 3), tuple(range(101, 106)), 1440, 336
RIVAL_SEEDS, RIVAL_WINDOWS = (101, 102, 103), 48
RIVAL_QUIET = {"domain classifier (scikit-learn)": 20}
"""Windows without drift that a tool judges; 100 if it is fast."""
STREAMS = tuple((kind, n) for kind in KINDS for n in (100, 1000))
CLASSIFIER_ROWS, CLASSIFIER_FOLDS, CLASSIFIER_LIMIT = 4000, 3, 0.65
"""Rows of the reference that a window is told apart from, folds, and the area from which NannyML's domain classifier
alerts.
"""


@dataclass(frozen=True, slots=True)
class Related:
    """One stream of `windows` after the reference; `drift` is a key of DRIFTS, or empty."""

    kind: str
    n: int
    seed: int
    drift: str = ""
    windows: int = WINDOWS
    with_relations: bool = True

    @property
    def plain(self) -> Spec:
        """The stream whose season, wander and shocks it has."""
        return Spec(self.kind, self.n, COLUMNS, self.seed, self.windows)


@dataclass(frozen=True, slots=True)
class Quiet:
    """A stream without drift: pages, and windows in which a relation joined an incident."""

    spec: Related
    pages: int
    of_relations: int


@dataclass(frozen=True, slots=True)
class Found:
    """Windows until the first page of each drift; infinite without one."""

    spec: Related
    delays: dict[str, float]


def columns(spec: Related) -> tuple[WatchedColumn, ...]:
    """The numbers, the labels, then the relations."""
    names = tuple(str(label) for label in range(len(LABELS)))
    labels = tuple(
        WatchedColumn(f"label {i}", ColumnType.LABEL, len(LABELS), labels=names) for i in range(LABEL_COLUMNS)
    )
    numbers = tuple(WatchedColumn(f"number {i}", ColumnType.NUMBER, BUCKETS) for i in range(COLUMNS))
    related = tuple(
        WatchedColumn(
            f"{RELATION}number {one} and number {other}",
            ColumnType.LABEL,
            2,
            labels=(SAME, OPPOSITE),
            relates=(f"number {one}", f"number {other}"),
        )
        for one, other in PAIRS
    )
    within = tuple(
        WatchedColumn(
            f"{RELATION}number {number} and label {column}={label}",
            ColumnType.LABEL,
            2,
            labels=(SAME, OPPOSITE),
            relates=(f"number {number}", f"label {column}", str(label)),
        )
        for number, column, label in LABELLED
    )
    return numbers + labels + (related + within) * spec.with_relations


def rows(spec: Related, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The numbers, (columns, rows), and the labels of each window from the `first` on. The reference is
    windows 0 to 671.
    """
    value = hidden(spec.plain, np.random.default_rng(identity(spec.plain)))
    for t, mean in enumerate(value[first:], first):
        rng, n = np.random.default_rng([*identity(spec.plain), 9, t]), rows_of(spec.plain, t)
        drawn = rng.standard_normal((COLUMNS, n), dtype=np.float32)
        factors = np.repeat(rng.standard_normal((COLUMNS // GROUP, n), dtype=np.float32), GROUP, axis=0)
        share = np.full((COLUMNS, 1), np.sqrt(CORRELATION))
        if spec.drift and t >= REFERENCE:
            share[0] *= DRIFTS[spec.drift]
        own = share * factors + np.sqrt(1 - share**2) * drawn
        labels = rng.choice(len(LABELS), (LABEL_COLUMNS, n), p=LABELS).astype(np.int8)
        if spec.drift == WITHIN_LABEL and t >= REFERENCE:
            labels[0] = _moved(own[0], rng)
        yield (own + mean[:, None]).astype(np.float32), labels


def _moved(own: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels of the usual shares, of which one has higher numbers than the others."""
    hidden_one = rng.standard_normal(own.size) * np.sqrt(1 - DEPENDENCE**2) - DEPENDENCE * own
    rest = np.array(LABELS) * (np.arange(len(LABELS)) != MOVED_LABEL)
    others = rng.choice(len(LABELS), own.size, p=rest / rest.sum())
    return np.where(hidden_one < BELOW, MOVED_LABEL, others).astype(np.int8)


def windows(spec: Related, first: int = 0) -> Iterator[WindowCounts]:
    """The counts of each window from the `first` on."""
    one, other = np.array(PAIRS).T
    number, column, label = np.array(LABELLED).T
    for t, (drawn, labels) in enumerate(rows(spec, first), first):
        counts = [bucketed(drawn).ravel()]
        of_labels = np.zeros((LABEL_COLUMNS, len(LABELS) + 3))
        for place, held in enumerate(labels):
            of_labels[place, FIRST:-1] = np.bincount(held, minlength=len(LABELS))
        counts.append(of_labels.ravel())
        if spec.with_relations:
            above = drawn > 0
            same = [
                (above[one] == above[other]).sum(axis=1),
                (above[number] == (labels[column] == label[:, None])).sum(axis=1),
            ]
            agreed = np.concatenate(same)
            related = np.zeros((len(agreed), 5))
            related[:, FIRST], related[:, FIRST + 1] = agreed, drawn.shape[1] - agreed
            counts.append(related.ravel())
        begin = MONDAY + t * HOUR
        yield WindowCounts(Window(begin, begin + HOUR), np.concatenate(counts))


def learned(spec: Related) -> tuple[drift.Calibration, np.ndarray]:
    """What the daemon learns from the reference, and the limits."""
    stream = windows(spec)
    reference = [next(stream) for _ in range(REFERENCE)]
    calibration = learn(columns(spec), reference, BUDGET, drift.DriftSettings())
    return calibration, drift.limits(calibration.columns, A * calibration.raised)


def judged(
    spec: Related, calibration: drift.Calibration, limits: np.ndarray
) -> Iterator[tuple[drift.DecisionState, drift.Decision]]:
    """The state and the decision after each window since the reference."""
    state = drift.begin(calibration)
    for window in windows(spec, REFERENCE):
        state, decision = drift.advance(calibration, state, window, limits)
        yield state, decision


def quiet(spec: Related) -> Quiet:
    """Count the false pages of a stream without drift."""
    decisions = [decision for _, decision in judged(spec, *learned(spec))]
    of_relations = sum(bool(one.joined[COLUMNS + LABEL_COLUMNS : -1].any()) for one in decisions)
    return Quiet(spec, sum(one.opened for one in decisions), of_relations)


def found(spec: Related) -> Found:
    """The delay of each drift."""
    known = learned(spec)
    delays = {}
    for name in DRIFTS:
        opened = (decision.opened for _, decision in judged(replace(spec, drift=name), *known))
        delays[name] = next((float(t) for t, is_open in enumerate(opened, 1) if is_open), float("inf"))
    return Found(spec, delays)


def table(calm: Sequence[Quiet], moved: Sequence[Found], plan: "Plan") -> Iterator[str]:
    """One row a stream."""
    yield (
        f"\n{len(plan.seeds)} seeds of {plan.windows:,} windows without drift, {len(plan.delay_seeds)} with each "
        "drift. Delays are in windows: median (worst).\n"
    )
    drifts = "".join(f" {name} |" for name in DRIFTS)
    yield f"| stream | rows a window | pages (budget ratio), without relations | with them | of relations |{drifts}"
    yield "|---" * (5 + len(DRIFTS)) + "|"
    for kind, n in STREAMS:
        mine = [one for one in calm if (one.spec.kind, one.spec.n) == (kind, n)]
        without, beside = ([one for one in mine if one.spec.with_relations is flag] for flag in (False, True))
        late = [one.delays for one in moved if (one.spec.kind, one.spec.n) == (kind, n)]
        delays = " | ".join(_middle([one[name] for one in late]) for name in DRIFTS)
        of_relations = sum(one.of_relations for one in beside)
        yield f"| {kind} | {n:,} | {_pages(without)} | {_pages(beside)} | {of_relations} | {delays} |"


def _pages(some: list[Quiet]) -> str:
    pages, judged = sum(one.pages for one in some), sum(one.spec.windows for one in some)
    return f"{pages} ({pages * A / judged:.2f})"


def _middle(delays: list[float]) -> str:
    found = [one for one in delays if np.isfinite(one)]
    if 2 * len(found) <= len(delays):
        return f"found in {len(found)} of {len(delays)}"
    late = f"{max(delays):.0f}" if len(found) == len(delays) else f"{len(found)} of {len(delays)} found"
    return f"{np.median(delays):.0f} ({late})"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is run."""

    seeds: tuple[int, ...] = SEEDS
    delay_seeds: tuple[int, ...] = DELAY_SEEDS
    windows: int = WINDOWS


def run(plan: Plan) -> str:
    """Our table."""
    calm = [
        Related(kind, n, seed, "", plan.windows, flag)
        for kind, n in STREAMS
        for seed in plan.seeds
        for flag in (False, True)
    ]
    moved = [Related(kind, n, seed, "", WITHIN) for kind, n in STREAMS for seed in plan.delay_seeds]
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        seen = pool.map(found, moved, chunksize=1)
        return "\n".join(table(pool.map(quiet, calm, chunksize=1), seen, plan)) + "\n"


def rival_table(tools: Mapping[str, Callable[[Related], list[bool]]]) -> str:
    """The peers' multivariate methods with their defaults, and ours, on the same rows of `all` with 1,000 rows."""
    lines = [
        "\nOn the same rows of `all`, 1,000 a window: alerts without drift, and windows until the first alert after a "
        f"drift ({len(RIVAL_SEEDS)} seeds).\n",
        "| | windows without drift in alert |" + "".join(f" {name} |" for name in DRIFTS),
        "|---" * (2 + len(DRIFTS)) + "|",
    ]
    for title, answer in tools.items():
        cells = []
        for name in ("", *DRIFTS):
            specs = [
                Related("all", 1000, seed, name, RIVAL_WINDOWS if name else RIVAL_QUIET.get(title, 100))
                for seed in (RIVAL_SEEDS if name else RIVAL_SEEDS[:1])
            ]
            say(f"{title} {name}")
            alerts = [answer(spec) for spec in specs]
            if not name:
                cells.append(f"{sum(alerts[0])} of {len(alerts[0])}")
                continue
            cells.append(", ".join(str(one.index(True) + 1) if True in one else "never" for one in alerts))
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


_learned_once = cache(learned)


def _ours(spec: Related) -> list[bool]:
    known = _learned_once(replace(spec, drift=""))  # drifts begin after the reference
    return [state.incident.is_open for state, _ in judged(spec, *known)]


def _theirs(method: str, spec: Related) -> list[bool]:
    held = list(rows(spec))
    sizes = np.array([numbers.shape[1] for numbers, _ in held])
    content = {
        "numbers": np.concatenate([numbers for numbers, _ in held], axis=1),
        "labels": np.concatenate([labels for _, labels in held], axis=1),
        "absent": np.empty((0, int(sizes.sum())), dtype=bool),
        "sizes": sizes[REFERENCE:],
        "all_sizes": sizes,
        "reference_rows": sizes[:REFERENCE].sum(),
    }
    answer = alert_rivals.answer_to(method, content, alert_rivals.environment("nannyml"))
    return [bool(one) for one in answer["alarmed"]]


def _classified(spec: Related) -> list[bool]:
    """A classifier tells the rows of a window from those of the reference; an area above 0.65 is an alert. No window
    after the first alert of a drift is judged.
    """
    stream = (np.concatenate([numbers, labels]).T for numbers, labels in rows(spec))
    held = np.concatenate([next(stream) for _ in range(REFERENCE)])
    chosen = held[np.random.default_rng(spec.seed).choice(len(held), CLASSIFIER_ROWS, replace=False)]
    alerts: list[bool] = []
    for window in stream:
        given = np.concatenate([chosen, window])
        is_window = np.arange(len(given)) >= len(chosen)
        model = HistGradientBoostingClassifier(
            max_iter=50, categorical_features=[COLUMNS, COLUMNS + 1], random_state=0
        )
        folds = StratifiedKFold(CLASSIFIER_FOLDS, shuffle=True, random_state=0)
        score = cross_val_predict(model, given, is_window, cv=folds, method="predict_proba")[:, 1]
        alerts.append(bool(roc_auc_score(is_window, score) > CLASSIFIER_LIMIT))
        if spec.drift and alerts[-1]:
            break
    return alerts


TOOLS: dict[str, Callable[[Related], list[bool]]] = {
    "Watchkeeper": _ours,
    "domain classifier (scikit-learn)": _classified,
    "PCA reconstruction (NannyML)": partial(_theirs, "reconstruction"),
}


def main() -> None:
    """Read the command line, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default="all", choices=["all", "none", "only", "scikit-learn"])
    parser.add_argument("--quick", action="store_true", help="a tenth of it, for trying out; writes nothing")
    asked = parser.parse_args()
    plan = Plan((1,), (101,), 500) if asked.quick else Plan()
    tables = {}
    if asked.peers in ("all", "none"):
        tables["relations"] = run(plan)
    if asked.peers != "none":
        needed = [name for name in TOOLS if asked.peers != "scikit-learn" or "NannyML" not in name]
        tables["peers on relations"] = rival_table({name: TOOLS[name] for name in needed})
    for name, text in tables.items():
        print(text, flush=True)
        if not asked.quick:
            write(text, name)


if __name__ == "__main__":
    main()
