"""Laws of the drift decision on streams as they come: NaN, infinities, columns that are empty or constant, other types
than in the baseline, windows of one row or none, thousands of categories, weights.
"""

from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import drift
from monitor.drift.profile_columns import Adapter, adapter
from monitor.predictions.intake.arrow_types import readable
from monitor.records import Window
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import from_table
from monitor.windows.layout.layout import Layout
from monitor.windows.profile import merge
from tests.bench.streams import HOUR, MONDAY
from tests.support.thorough import examples

REFERENCE, JUDGED, BASELINE = 36, 8, 900
LIMIT = drift.parse("1 per 30 days").limit(HOUR)
Drawn = Callable[[np.random.Generator, int, bool], list[object] | np.ndarray]


def _holes(rng: np.random.Generator, n: int, moved: bool) -> np.ndarray:
    values = rng.normal(2.0 * moved, 1, n)
    values[rng.random(n) < 0.4] = np.nan
    values[rng.random(n) < 0.02] = np.inf
    return values


def _huge(rng: np.random.Generator, n: int, moved: bool) -> np.ndarray:
    return np.asarray(rng.choice([-0.0, 0.0, 1e308, -1e308, 5e-324], n) * (0.5 if moved else 1.0))


def _mixed(rng: np.random.Generator, n: int, moved: bool) -> list[object]:
    """Numbers, which come as words in some windows."""
    values = np.round(rng.exponential(5, n), 1)
    return [f"{one} EUR" if moved else str(one) for one in values] if moved or n % 3 == 1 else list(values)


def _zipf(rng: np.random.Generator, n: int, moved: bool) -> list[object]:
    return [f"v{one}" for one in np.minimum(rng.zipf(1.3, n), 5000) + 3 * moved]


def _tied(rng: np.random.Generator, n: int, moved: bool) -> list[object]:
    """Forty labels of which many come equally often."""
    return [f"t{one}" for one in (np.arange(n) + int(rng.integers(5))) % (20 if moved else 40)]


KINDS: Mapping[str, Drawn] = {
    "plain": lambda rng, n, moved: rng.normal(0.8 * moved, 1, n),
    "holes": _holes,
    "huge": _huge,
    "mixed": _mixed,
    "count": lambda rng, n, moved: rng.poisson(3 + 3 * moved, n),
    "flag": lambda rng, n, moved: rng.random(n) < 0.1 + 0.4 * moved,
    "empty": lambda rng, n, moved: [None] * n,
    "fills": lambda rng, n, moved: list(rng.normal(size=n)) if moved else [None] * n,
    "freezes": lambda rng, n, moved: np.full(n, 3.0) if moved else rng.normal(size=n),
    "zipf": _zipf,
    "tied": _tied,
    "few": lambda rng, n, moved: list(
        rng.choice(["a", "b", None], n, p=[0.5, 0.4 - 0.3 * moved, 0.1 + 0.3 * moved])
    ),
}
LABELS = {"zipf", "tied", "few"}
SIZES = (0, 1, 1, 19, 60, 150)
STILL: Mapping[str, Callable[[int], list[object]]] = {
    "still number": lambda n: [7.5] * n,
    "still label": lambda n: ["only"] * n,
    "still empty": lambda n: [None] * n,
}


def batch(
    names: Sequence[str], rng: np.random.Generator, n: int, *, moved: bool, weighted: bool
) -> pa.RecordBatch:
    columns = {f"features.{name}": readable(pa.array(KINDS[name](rng, n, moved))) for name in names}
    columns["prediction"] = pa.array(rng.choice(["yes", "no"], n), pa.string())
    if weighted:
        columns["weight"] = pa.array(rng.choice([1.0, 2.5, 0.1], n))
    return pa.RecordBatch.from_pydict(columns)


def stream(
    names: Sequence[str], seed: int, *, weighted: bool, windows: int = REFERENCE + JUDGED
) -> list[pa.RecordBatch]:
    """The baseline, the windows of the reference, and those to judge; in the last four windows, all columns move."""
    rng = np.random.default_rng(seed)
    sizes = [BASELINE, *rng.choice(SIZES, windows)]
    return [
        batch(names, rng, int(n), moved=t > windows - 4, weighted=weighted and t > 0)
        for t, n in enumerate(sizes)
    ]


def counted(batches: Sequence[pa.RecordBatch]) -> tuple[Layout, Adapter, list[drift.WindowCounts]]:
    """What is watched of a stream, and the counts of its windows."""
    layout = from_table.of(pa.Table.from_batches(batches[:1]))
    watched = adapter(layout)
    spans = [Window(MONDAY + t * HOUR, MONDAY + (t + 1) * HOUR) for t in range(len(batches) - 1)]
    profiles = (count(rows, layout) for rows in batches[1:])
    return layout, watched, [watched.counts(one, span) for one, span in zip(profiles, spans, strict=True)]


def decisions(batches: Sequence[pa.RecordBatch]) -> dict[str, np.ndarray]:
    """By column: the evidence over a limit that is the same for all, and whether it is in the incident (windows, 2)."""
    _, watched, windows = counted(batches)
    calibration = drift.fit(watched.columns, windows[:REFERENCE])
    limits, state = np.full(len(watched.columns) + 1, LIMIT), drift.begin(calibration)
    seen = []
    for window in windows[REFERENCE:]:
        state, decision = drift.advance(calibration, state, window, limits)
        seen.append(np.stack([decision.ratio, state.incident.member]))
    made = np.moveaxis(np.array(seen), 2, 0)
    assert np.isfinite(made).all()
    return dict(zip([*(column.name for column in watched.columns), "all"], made, strict=True))


def changed(rows: pa.RecordBatch, names: Sequence[str], seed: int) -> pa.RecordBatch:
    """The same rows with other names of categories, in another order, beside columns that never move."""
    held = dict(zip(rows.schema.names, rows.columns, strict=True))
    for name in LABELS & set(names):
        labels = held[f"features.{name}"].to_pylist()
        other = [None if one is None else f"{crc32(one.encode()) ^ seed:x} {one}" for one in labels]
        held[f"features.{name}"] = readable(pa.array(other, pa.string()))
    still = {f"features.{name}": readable(pa.array(of(rows.num_rows))) for name, of in STILL.items()}
    return pa.RecordBatch.from_pydict({**still, **held})


STREAMS = (
    st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5, unique=True),
    st.integers(0, 2**31),
    st.booleans(),
)


@settings(max_examples=examples(3), deadline=None)
@given(*STREAMS)
def test_law_columns_that_never_move_and_names_of_categories_change_no_decision(
    names: list[str], seed: int, weighted: bool
) -> None:
    batches = stream(names, seed, weighted=weighted)
    usual, other = decisions(batches), decisions([changed(rows, names, seed) for rows in batches])
    for name, decided in usual.items():
        np.testing.assert_allclose(other[name], decided, rtol=1e-6, atol=1e-9, err_msg=name)


@settings(max_examples=examples(3), deadline=None)
@given(*STREAMS, st.floats(0, 1))
def test_law_parts_of_a_window_add_to_the_counts_of_all_its_rows(
    names: list[str], seed: int, weighted: bool, cut: float
) -> None:
    """To the last bit, so that the decision is the same."""
    batches = stream(names, seed, weighted=weighted, windows=8)
    layout, watched, windows = counted(batches)
    for rows, whole in zip(batches[1:], windows, strict=True):
        first = int(rows.num_rows * cut)
        parts = [count(rows.slice(0, first), layout), count(rows.slice(first), layout)]
        np.testing.assert_array_equal(whole.counts, watched.counts(merge(parts), whole.window).counts)
