"""What each item's answer is worth on both sides, read as the daemon reads it: one notation of labels, one task.

The profiles of both sides are counted first, by the daemon's own kernel. They decide whether the model is a classifier
or a regressor and which notations mean one class, and the rules are evaluated on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.gating.inputs import EPOCH
from monitor.gating.pairing import TRUTH, Items
from monitor.metrics import MetricSettings, Subject
from monitor.metrics.quality.confusion import Notation, notation_of
from monitor.metrics.quality.task import KINDS, Task, named, task_of
from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names
from monitor.records import Stream, Window
from monitor.windows import baseline_from_table
from monitor.windows.baseline_from_table import conform, count_table
from monitor.windows.kernel.confusion_counts import labels_of
from monitor.windows.kernel.probabilities import PROBABILITIES, probabilities
from monitor.windows.outcome_counts import numbers_of

WINDOW = Window(EPOCH, EPOCH + 60)
_MISSING = -1
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class SideAnswers:
    """One side's values per item, each of shape (n,) and NaN where there is none.

    `codes` are the classes answered (-1: none), `numbers` the numbers answered, `failed` whether the item ended in an
    error, `latency` is in seconds, `automated` 1 or 0, and `shares` the probability of each class, shape (n, classes).
    """

    codes: np.ndarray
    numbers: np.ndarray
    failed: np.ndarray
    confidence: np.ndarray
    latency: np.ndarray
    cost: np.ndarray
    automated: np.ndarray
    shares: np.ndarray | None
    has_errors: bool


@dataclass(frozen=True, slots=True, eq=False)
class PairedAnswers:
    """Both sides with the truths. `truth_codes` and `truth_numbers` are as in `SideAnswers`; `ranked` are the classes
    of the columns of `shares`, as codes. `subjects` are the counted profiles of candidate and baseline.
    """

    task: Task | None
    classes: tuple[str, ...]
    truth_codes: np.ndarray
    truth_numbers: np.ndarray
    candidate: SideAnswers
    baseline: SideAnswers
    ranked: np.ndarray
    subjects: tuple[Subject, Subject]

    @property
    def n(self) -> int:
        """The number of items."""
        return len(self.truth_codes)


def evaluate(items: Items, stream: Stream, settings: MetricSettings, task: str = "") -> PairedAnswers:
    """Count both sides, and read each item."""
    tables = [conform(side) for side in (items.candidate, items.baseline)]
    subjects = _subjects(tables, stream, settings, task)
    decided = named(task) or task_of(subjects[0])
    notation = notation_of(subjects[0])
    columns = [[_column(table, name) for table in tables] for name in ("prediction", TRUTH)]
    (mine, theirs), (truth, _) = columns
    if decided is Task.REGRESSION:
        codes: list[np.ndarray] = [np.full(items.n, _MISSING)] * 3
        classes: tuple[str, ...] = ()
    else:
        codes, classes = _coded([mine, theirs, truth], notation)
    shared, ranked = (
        _shares(tables, notation, classes) if decided is not Task.REGRESSION else ([None, None], [])
    )
    candidate, baseline = (
        _side(table, code, answer, share)
        for table, code, answer, share in zip(tables, codes[:2], (mine, theirs), shared, strict=True)
    )
    return PairedAnswers(
        decided,
        classes,
        codes[2],
        _numbers(truth, items.n),
        candidate,
        baseline,
        np.array(ranked, np.int64),
        subjects,
    )


def _subjects(
    tables: Sequence[pa.Table], stream: Stream, settings: MetricSettings, task: str
) -> tuple[Subject, Subject]:
    """Both sides' profiles, measured against the baseline's predictions."""
    kind = KINDS.get(named(task))
    overrides = {"prediction": kind} if kind is not None else {}
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest: they are not measured
        baseline = baseline_from_table.from_table(
            stream, tables[1], float(EPOCH), source="the baseline's predictions", overrides=overrides
        )
        profiles = (count_table(tables[0], baseline.layout), baseline.profile)
    mine, theirs = (Subject(stream, WINDOW, profile, baseline, settings) for profile in profiles)
    return mine, theirs


def _column(table: pa.Table, name: str) -> pa.Array | None:
    return table.column(name).combine_chunks() if name in table.column_names else None


def _coded(
    columns: Sequence[pa.Array | None], notation: Notation
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Columns of labels as codes of their classes, -1 where there is none, and the classes, sorted."""
    rows = max(len(column) for column in columns if column is not None)
    labelled: list[tuple[np.ndarray, np.ndarray, list[str | None]]] = []
    for column in columns:
        known = np.zeros(rows, bool) if column is None else np.asarray(column.is_valid())
        if column is None or not known.any():
            labelled.append((known, np.empty(0, np.int64), []))
            continue
        if not pa.types.is_float64(column.type):
            column = names(column)
        labels = labels_of(column.filter(pa.array(known)))
        classes = [None if notation.drops(text) else notation.name(text) for text in labels.texts]
        labelled.append((known, np.asarray(labels.codes, np.int64), classes))
    every = sorted({name for _, codes, names_ in labelled for name in _used(codes, names_)})
    place = {name: index for index, name in enumerate(every)}
    coded = []
    for known, codes, names_ in labelled:
        of_labels = np.array(
            [_MISSING if name is None else place.get(name, _MISSING) for name in names_], np.int64
        )
        side = np.full(rows, _MISSING)
        if codes.size:
            side[known] = of_labels[codes]
        coded.append(side)
    return coded, tuple(every)


def _used(codes: np.ndarray, classes: Sequence[str | None]) -> set[str]:
    """The classes that occur."""
    return {name for code in np.unique(codes).tolist() if (name := classes[code]) is not None}


def _shares(
    tables: Sequence[pa.Table], notation: Notation, classes: tuple[str, ...]
) -> tuple[list[np.ndarray | None], list[int]]:
    """The probabilities of both sides, for the classes that both name, and the codes of these classes.

    Of two classes, the probability of one is enough.
    """
    named_on = [
        {
            notation.name(name.removeprefix(PROBABILITIES)): name
            for name in reversed(table.column_names)
            if name.startswith(PROBABILITIES)
        }
        for table in tables
    ]
    is_binary = len(classes) == 2
    shares: list[np.ndarray | None] = []
    for table, columns in zip(tables, named_on, strict=True):
        rows = pa.RecordBatch.from_arrays(
            [table.column(name).combine_chunks() for name in columns.values()], names=list(columns)
        )
        if len(columns) == 1 and is_binary and set(columns) <= set(classes):
            (only,) = columns
            share = arrays.floats(rows.column(only))
            by_class = {only: share, next(name for name in classes if name != only): 1.0 - share}
            shares.append(np.stack([by_class[name] for name in classes], axis=1))
        elif set(classes) <= set(columns) and len(columns) > 1:
            # The classes that occur, and further ones in the sum that each row is scaled to.
            order = [*classes, *(name for name in columns if name not in classes)]
            shares.append(_scaled(rows, order)[:, : len(classes)])
        else:
            shares.append(None)
    if any(share is None for share in shares) or len(classes) < 2:
        return [None, None], []
    return shares, list(range(len(classes)))


def _scaled(rows: pa.RecordBatch, order: Sequence[str]) -> np.ndarray:
    """Probabilities with a sum of one. Where they have it already, they are kept: rounding would break ties."""
    scaled = probabilities(rows, order)
    raw = np.nan_to_num(np.stack([arrays.floats(rows.column(name)) for name in order], axis=1))
    is_whole = np.abs(raw.sum(axis=1, keepdims=True) - 1) < _ROUNDING
    return np.where(is_whole & (raw >= 0).all(axis=1, keepdims=True), raw, scaled)


def _side(
    table: pa.Table, codes: np.ndarray, answer: pa.Array | None, shares: np.ndarray | None
) -> SideAnswers:
    rows = table.num_rows
    error = _column(table, "error")
    failed = np.zeros(rows, bool) if error is None else np.asarray(error.is_valid())
    latency, cost, confidence, automated = (
        _floats(table, name) for name in ("latency_ms", "cost", "confidence", "automated")
    )
    return SideAnswers(
        np.where(failed, _MISSING, codes),
        np.where(failed, np.nan, _numbers(answer, rows)),
        failed,
        confidence,
        latency / 1000,
        cost,
        automated,
        shares,
        error is not None,
    )


def _floats(table: pa.Table, name: str) -> np.ndarray:
    column = _column(table, name)
    if column is None:
        return np.full(table.num_rows, np.nan)
    return arrays.floats(column.cast(pa.float64()) if pa.types.is_boolean(column.type) else column)


def _numbers(column: pa.Array | None, rows: int) -> np.ndarray:
    if column is None:
        return np.full(rows, np.nan)
    if not pa.types.is_float64(column.type) and not pa.types.is_boolean(column.type):
        column = names(column)
    return numbers_of(column)
