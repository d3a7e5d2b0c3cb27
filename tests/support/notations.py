"""The same values in every notation, and the figures of tables of them."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as oracle

from monitor.metrics import MetricSettings, Subject, measure
from monitor.records import Measurement, Window
from monitor.windows import codec
from monitor.windows.baseline_from_table import Baseline, conform
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE
from monitor.windows.layout.layout import Layout
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, merge
from tests.support.tables import STREAM

WINDOW = Window(0, 60)


Values = Sequence[object]


Notation = Callable[[int], object]


BINARY: dict[str, Notation] = {
    "int": int,
    "float": float,
    "bool": bool,
    "digit text": str,
    "float text": lambda v: str(float(v)),
    "true": lambda v: str(bool(v)).lower(),
    "True": lambda v: str(bool(v)),
    "TRUE": lambda v: str(bool(v)).upper(),
}


WHOLE: dict[str, Notation] = {
    "int": int,
    "float": float,
    "text": str,
    "float text": lambda v: str(float(v)),
}


def column(values: Values) -> pa.Array:
    return pa.array(list(values))


def profile(table: pa.Table, layout: Layout, pieces: int = 1) -> Profile:
    rows = conform(table).combine_chunks().to_batches()[0]
    cuts = np.linspace(0, rows.num_rows, pieces + 1).astype(int).tolist()
    parts = []
    for start, end in itertools.pairwise(cuts):
        piece = rows.slice(start, end - start)
        parts += [count(piece, layout), count_outcomes(piece, layout)]
    return merge(parts)


def measured(
    table: pa.Table, base: Baseline | None = None, *, pieces: int = 1, task: str = ""
) -> dict[str, Measurement]:
    """The figures of the whole, of a window that was cut into pieces and read back from its bytes."""
    layout = base.layout if base is not None else BARE
    window = codec.decode(codec.encode(profile(table, layout, pieces)), layout)
    chosen = MetricSettings(tasks={(STREAM.client, STREAM.model): task} if task else {})
    found = measure(Subject(STREAM, WINDOW, window, base, chosen))
    return {m.metric: m for m in found if not m.labels}


def assert_is_as_sklearn_says(found: dict[str, Measurement], y: np.ndarray, p: np.ndarray) -> None:
    expected = {
        "accuracy": oracle.accuracy_score(y, p),
        "balanced_accuracy": np.mean([(p[y == c] == c).mean() for c in np.unique(y)]),
        "precision": oracle.precision_score(y, p, average="macro", zero_division=0),
        "recall": oracle.recall_score(y, p, average="macro", zero_division=0),
        "f1": oracle.f1_score(y, p, average="macro", zero_division=0),
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-12), name
        low, high = found[name].low, found[name].high
        assert low is not None
        assert high is not None
        assert low - 1e-12 <= value <= high + 1e-12
    assert "mae" not in found


def two_classes(seed: int, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, rows)
    return truth, np.where(rng.random(rows) < 0.8, truth, 1 - truth)
