"""Laws that hold for every metric, on tables that Hypothesis makes."""

import math
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.metrics import METRICS, MetricSettings, Subject, measure
from monitor.metrics.drift import features
from monitor.records import Measurement, Window
from monitor.windows import codec, describe, layout
from monitor.windows.count import count
from monitor.windows.outcomes import count_outcomes
from monitor.windows.profile import Profile, blank, merge
from monitor.windows.reference import Baseline, conform, from_table
from tests.support.tables import STREAM

WINDOW = Window(0, 60)
LIGHT = MetricSettings(min_rows=1, min_outcomes=1)
SYMMETRIC = ("psi", "jensen_shannon", "hellinger", "total_variation", "chi_square", "kolmogorov_smirnov")
DISTANCES = (*SYMMETRIC, "wasserstein")
_quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

_floats = st.floats(allow_nan=True, allow_infinity=True, width=64)
_columns = {
    "number": st.lists(st.none() | _floats, min_size=1),
    "small": st.lists(st.none() | st.sampled_from([0.0, -0.0, 1.0, 1.5, -3.0]), min_size=1),
    "integer": st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=1),
    "flag": st.lists(st.none() | st.booleans(), min_size=1),
    "label": st.lists(st.none() | st.text(max_size=3), min_size=1),
    "digits": st.lists(st.none() | st.integers(0, 99).map(str), min_size=1),
    "date": st.lists(
        st.none() | st.sampled_from(["2026-11-23", "23.11.2026", "11/23/2026", "soon"]), min_size=1
    ),
    "moment": st.lists(
        st.none() | st.integers(631152000, 2208988800).map(lambda s: datetime.fromtimestamp(s, UTC)),
        min_size=1,
    ),
    "day": st.lists(st.none() | st.dates(date(1990, 1, 1), date(2040, 1, 1)), min_size=1),
    "text": st.lists(st.none() | st.text(min_size=65, max_size=90), min_size=1),
    "vector": st.lists(st.none() | st.lists(st.floats(-5, 5, width=32), min_size=3, max_size=3), min_size=1),
    "nothing": st.lists(st.none(), min_size=1),
    "prediction": st.lists(st.none() | st.sampled_from(["a", "b"]), min_size=1),
    "confidence": st.lists(st.none() | st.floats(0, 1), min_size=1),
    "latency_ms": st.lists(st.none() | st.floats(-1, 1e9), min_size=1),
    "outcome.truth": st.lists(st.none() | st.sampled_from(["a", "b", "c"]), min_size=1),
}


@st.composite
def tables(draw) -> pa.Table:
    """A table with any of the kinds of columns, up to 60 rows."""
    rows = draw(st.integers(1, 60))
    names = draw(st.lists(st.sampled_from(sorted(_columns)), min_size=1, max_size=6, unique=True))
    columns = {}
    for name in names:
        values = draw(_columns[name])
        repeated = [values[i % len(values)] for i in range(rows)]
        columns[name] = pa.array(repeated)
    return pa.table(columns)


def batch(table: pa.Table) -> pa.RecordBatch:
    return conform(table).combine_chunks().to_batches()[0]


def profile(rows: pa.RecordBatch, of: layout.Layout) -> Profile:
    parts = [blank(of), count(rows, of)]
    if any(name.startswith("outcome.") for name in rows.schema.names):
        parts.append(count_outcomes(rows, of))
    return merge(parts)


def hold(window: Profile, base: Baseline) -> list[Measurement]:
    return measure(Subject(STREAM, WINDOW, window, base, LIGHT))


@_quick
@given(tables(), tables())
def test_any_window_against_any_baseline_is_measured_without_an_exception(reference, current):
    base = from_table(STREAM, reference, 0.0)
    listed = {info.name for info in METRICS}
    for m in hold(profile(batch(current), base.layout), base):
        assert m.metric in listed
        assert (m.value is None) == bool(m.reason), m
        for figure in (m.value, m.low, m.high, m.p_value, m.baseline, m.n):
            assert figure is None or not math.isnan(figure), m
        assert m.p_value is None or 0 <= m.p_value <= 1, m


@_quick
@given(tables())
def test_a_window_is_at_no_distance_from_itself(table):
    base = from_table(STREAM, table, 0.0)
    for m in hold(base.profile, base):
        if m.metric in (*DISTANCES, "mean_shift", "spread_shift", "drifted_share") and m.value is not None:
            assert abs(m.value) < 1e-6, m
        if (
            m.metric in ("new_category_share", "out_of_range_share")
            and m.label("feature")
            and m.value is not None
        ):
            assert m.value == m.baseline, m


@_quick
@given(tables(), tables())
def test_symmetric_distances_are_symmetric(reference, current):
    base = from_table(STREAM, reference, 0.0)
    other = profile(batch(current), base.layout)
    mirrored = Baseline(STREAM, "mirrored", 0.0, "", base.layout, other)
    there = {(m.metric, m.labels): m.value for m in hold(other, base) if m.metric in SYMMETRIC}
    back = {(m.metric, m.labels): m.value for m in hold(base.profile, mirrored) if m.metric in SYMMETRIC}
    for key in there.keys() & back.keys():
        one, two = there[key], back[key]
        assert one is None or two is None or math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-12), key


@_quick
@given(tables(), tables(), st.integers(0, 60), st.randoms(use_true_random=False))
def test_cutting_merging_and_shuffling_rows_changes_no_bit(reference, current, cut, random):
    base = from_table(STREAM, reference, 0.0)
    rows = batch(current)
    whole = profile(rows, base.layout)
    cut = min(cut, rows.num_rows)
    assert merge([profile(rows.slice(0, cut), base.layout), profile(rows.slice(cut), base.layout)]) == whole
    order = list(range(rows.num_rows))
    random.shuffle(order)
    assert profile(rows.take(pa.array(order, pa.int64())), base.layout) == whole
    assert codec.decode(codec.encode(whole), base.layout) == whole


@_quick
@given(tables(), tables(), st.integers(2, 50))
def test_repeating_every_row_keeps_each_distance(reference, current, times):
    base = from_table(STREAM, reference, 0.0)
    once = profile(batch(current), base.layout)
    often = merge([once] * times)
    scale_free = set(DISTANCES) - {"psi", "chi_square"} | {"mean_shift", "spread_shift"}
    before = {(m.metric, m.labels): m.value for m in hold(once, base) if m.metric in scale_free}
    after = {(m.metric, m.labels): m.value for m in hold(often, base) if m.metric in scale_free}
    for key, value in before.items():
        assert value is None or math.isclose(value, after[key], rel_tol=1e-9, abs_tol=1e-9), key


@_quick
@given(tables())
def test_a_layout_survives_its_bytes(table):
    made = describe.of(conform(table))
    again = layout.decode(layout.encode(made))
    assert again.id == made.id
    assert count(batch(table), again) == count(batch(table), made)


def test_ten_thousand_columns_are_profiled_and_measured():
    rng = np.random.default_rng(0)
    table = pa.table({f"c{i}": rng.normal(size=200) for i in range(10_000)})
    base = from_table(STREAM, table, 0.0)
    found = hold(count(batch(table.slice(0, 100)), base.layout), base)
    assert sum(m.metric == "psi" and m.value is not None for m in found) == 10_000


def test_of_columns_with_one_name_the_first_is_watched_and_it_is_said():
    table = pa.table([pa.array([1.0, 2.0]), pa.array(["x", "y"])], names=["features.a", "features.a"])
    made = describe.of(table)
    assert [column.kind for column in made.features] == ["integer"]
    assert made.notes == ("features.a occurs more than once; the first one is watched",)


def test_what_a_column_holds_is_found_from_its_values():
    rng = np.random.default_rng(1)
    table = pa.table(
        {
            "price": rng.normal(size=500),
            "count": rng.poisson(3, 500),
            "customer": [f"C-{i:06}" for i in range(500)],
            "row": np.arange(500),
            "zip": rng.integers(10, 60, 500).astype(str),
            "reading": [f"{x:.3f}" for x in rng.normal(size=500)],
            "when": ["2026-11-23 08:00:00"] * 250 + ["23.11.2026"] * 250,
            "open": rng.random(500) < 0.5,
            "country": rng.choice(["DE", "FR"], 500),
            "comment": ["this is a long comment that somebody wrote about a delivery that came late"] * 500,
        }
    )
    kinds = {
        column.source or column.name: column.kind.value for column in describe.of(conform(table)).features
    }
    assert {name.removeprefix("features."): kind for name, kind in kinds.items()} == {
        "price": "number", "count": "integer", "customer": "identifier", "row": "identifier", "zip": "category",
        "reading": "number", "when": "time", "open": "boolean", "country": "category", "comment": "text",
    }  # fmt: skip
    chosen = describe.of(conform(table), {"zip": layout.Kind.NUMBER, "count": layout.Kind.CATEGORY})
    assert chosen.column("features.zip").kind == "number"
    assert chosen.column("features.count").labelled


def test_texts_that_turn_into_refusals_drift():
    good = "here is the answer to your question about the invoice of last month, number %d"
    bad = "I'm sorry, but I can't help with that request, because as an AI I am not able to"
    reference = pa.table({"answer": [good % i for i in range(400)]})
    current = pa.table({"answer": [good % i for i in range(200)] + [bad] * 200})
    base = from_table(STREAM, reference, 0.0)
    found = hold(count(batch(current), base.layout), base)
    psi = {m.label("feature"): m.value for m in found if m.metric == "psi"}
    assert psi["answer#refusal"] > 0.5
    assert psi["answer#words"] > 0.2


def test_embeddings_that_move_are_farther_from_the_centre():
    rng = np.random.default_rng(2)
    reference = pa.table({"v": pa.array(list(rng.normal(size=(1000, 16)).astype(np.float32)))})
    current = pa.table({"v": pa.array(list((rng.normal(size=(500, 16)) + 1).astype(np.float32)))})
    base = from_table(STREAM, reference, 0.0)
    found = hold(count(batch(current), base.layout), base)
    shift = {m.label("feature"): m.value for m in found if m.metric == "mean_shift"}
    assert shift["v#distance"] > 1.0
    assert features.PSI in METRICS
