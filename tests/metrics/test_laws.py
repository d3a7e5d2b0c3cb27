"""Laws that hold for every metric, on tables that Hypothesis makes.

They run over `METRICS`: a new metric is held to all of them, unless it is named here with the reason why not.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.metrics import METRICS, MetricSettings, Subject, measure
from monitor.metrics.business.target import TARGET_SHORTFALL
from monitor.metrics.calls import judges
from monitor.metrics.declared import agents, custom_metrics, expected, forecasts, ranked_scores
from monitor.metrics.drift import column_drift, multivariate
from monitor.metrics.drift.answers import INPUT_VARIATION_LOSS
from monitor.metrics.quality import scores
from monitor.metrics.quality.decline import DECLINE_EVIDENCE
from monitor.metrics.settings import FairnessSettings, Ranking
from monitor.metrics.system import daemon, releases, resources, rollbacks
from monitor.records import Measurement, Window
from monitor.windows import codec
from monitor.windows.baseline_from_table import Baseline, conform, from_table
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import build, layout
from monitor.windows.layout import from_table as layout_from_table
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, blank, merge
from tests.support.strategies import pairs, tables
from tests.support.tables import STREAM, predictions
from tests.support.thorough import THOROUGH, examples

WINDOW = Window(0, 60)
FAIRNESS = {(STREAM.client, STREAM.model): FairnessSettings(("region",), "a", least=1)}
COSTS = {(STREAM.client, STREAM.model): {"fraud": {"ok": 1.0}, "ok": {"fraud": 9.0}}}
LIGHT = MetricSettings(min_rows=1, min_outcomes=1, fairness=FAIRNESS, cost_matrices=COSTS)
NAMES = frozenset(info.name for info in METRICS)
DRIFT = frozenset(info.name for info in column_drift.INFO)
"""What is zero between equals."""
STANDARDISED = frozenset({"wasserstein", "mean_shift", "spread_shift", "drifted_share"})
"""Drift in the baseline's own units: the other way round it is in other units."""
ESTIMATES = frozenset(name for name in NAMES if name.startswith("estimated_"))
GROWING = {
    "volume": "it is the number of rows",
    "throughput": "it is the number of rows in a time",
    "chi_square": "a statistic, not a distance: it grows with the evidence",
    "psi": "half a row is added to each cell, which weighs less the more rows there are",
    "list_drift": "what chance explains is taken off, which is less the more lists there are",
    "worst_segment_gap": "a segment is named where its gap is beyond chance",
    "drifted_share": "it counts psi beyond what chance explains",
}
"""What more of the same changes."""
_ELSEWHERE = (
    *multivariate.INFO,
    *daemon.INFO,
    *resources.INFO,
    *releases.INFO,
    *rollbacks.INFO,
    *scores.INFO,
    *judges.INFO,
    *custom_metrics.INFO,
    *forecasts.INFO,
    *ranked_scores.INFO,
    *agents.INFO,
    *expected.INFO,
    DECLINE_EVIDENCE,
    TARGET_SHORTFALL,
    INPUT_VARIATION_LOSS,
)
ELSEWHERE = {info.name for info in _ELSEWHERE}
"""Measured from rows, arrivals, targets, gauges, of the daemon, or only of alike answers: not from these profiles. They
have tests of their own.
"""
_quick = settings(max_examples=examples(25))


def batch(table: pa.Table) -> pa.RecordBatch:
    return conform(table).combine_chunks().to_batches()[0]


def profile(rows: pa.RecordBatch, of: layout.Layout) -> Profile:
    parts = [blank(of), count(rows, of)]
    if any(name.startswith("outcome.") for name in rows.schema.names):
        parts.append(count_outcomes(rows, of))
    return merge(parts)


def hold(window: Profile, base: Baseline) -> list[Measurement]:
    return measure(Subject(STREAM, WINDOW, window, base, LIGHT))


def figures(found: Iterable[Measurement]) -> dict[tuple[str, object], Measurement]:
    return {(m.metric, m.labels): m for m in found}


def test_exceptions_from_the_laws_name_metrics_that_exist():
    for names in (STANDARDISED, GROWING, ELSEWHERE):
        assert set(names) <= NAMES


def test_the_laws_reach_every_metric():
    """Each that comes from profiles is measured somewhere in these two windows, so the laws do look at it."""
    labels = predictions(3000, outcomes=True)
    scores = labels.column("confidence").to_numpy()
    rows = pa.Table.from_batches([labels])
    extra = {
        "cost": scores,
        "probabilities.fraud": scores,
        "probabilities.ok": 1 - scores,
        "features.input_tokens": np.rint(100 * scores),
        "features.output_tokens": np.rint(10 * scores),
        "signals.refusal": scores > 0.9,
        "attributions.amount": scores - 0.5,
        "attributions.count": 0.3 * scores,
        "segments.user": np.where(scores > 0.5, "a", "b"),
        "predicted_labels": ['["fraud","ok"]', '["ok"]'] * 1500,
        "outcome.true_labels": ['["fraud"]', '["ok","fraud"]', "[]"] * 1000,
        "outputs": ['{"w":1.5,"h":2}'] * 3000,
        "outcome.true_outputs": ['{"w":1,"h":2}', '{"w":2,"h":3}'] * 1500,
        "ranking": ['["a","b"]', '["b"]'] * 1500,
        "outcome.relevant": ['{"a":1}', '{"c":2}', "{}"] * 1000,
    }
    for name, values in extra.items():
        rows = rows.append_column(name, pa.array(values))
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    columns = {
        "x": x,
        "prediction": x,
        "truth": x + rng.normal(size=2000),
        "feedback": rng.integers(0, 11, 2000),
        "segments.region": np.where(x > 0, "eu", "us"),
    }
    numbers = pa.table(columns)
    measured = set()
    for table in (rows, numbers):
        base = from_table(STREAM, table, 0.0)
        fairness = {("acme", "fraud"): FairnessSettings(("region",), "fraud")}
        settings = replace(LIGHT, fairness=fairness, rankings={("acme", "fraud"): Ranking(catalogue=9)})
        found = measure(Subject(STREAM, WINDOW, base.profile, base, settings))
        measured |= {m.metric for m in found if m.value is not None}
    assert NAMES - ELSEWHERE - measured == set()


@_quick
@given(pairs)
def test_any_window_against_any_baseline_is_measured_without_an_exception(pair):
    reference, current = pair
    base = from_table(STREAM, reference, 0.0)
    for m in hold(profile(batch(current), base.layout), base):
        assert m.metric in NAMES
        assert (m.value is None) == bool(m.reason), m
        for figure in (m.value, m.low, m.high, m.p_value, m.baseline, m.n):
            assert figure is None or not math.isnan(figure), m
        assert m.p_value is None or 0 <= m.p_value <= 1, m
        if m.value is not None and m.low is not None and m.high is not None:
            slack = 1e-9 * max(1.0, abs(m.value))
            assert m.low - slack <= m.value <= m.high + slack, m


@_quick
@given(tables())
def test_a_window_is_at_no_distance_from_itself_and_equals_its_baseline(table):
    """A version is held against all versions of the baseline, so its figures may differ."""
    base = from_table(STREAM, table, 0.0)
    for m in hold(base.profile, base):
        if m.value is None:
            continue
        if m.metric in DRIFT:
            assert abs(m.value) < 1e-6, m
        elif m.baseline is not None and m.metric not in ESTIMATES and not m.label("version"):
            assert math.isclose(m.value, m.baseline, rel_tol=1e-9, abs_tol=1e-12), m


@_quick
@given(pairs)
def test_distances_are_symmetric(pair):
    reference, current = pair
    base = from_table(STREAM, reference, 0.0)
    other = profile(batch(current), base.layout)
    mirrored = Baseline(STREAM, "mirrored", 0.0, "", base.layout, other)
    there, back = figures(hold(other, base)), figures(hold(base.profile, mirrored))
    for key in there.keys() & back.keys():
        one, two = there[key].value, back[key].value
        if key[0] in DRIFT - STANDARDISED and one is not None and two is not None:
            assert math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-12), key


@_quick
@given(pairs, st.integers(0, 60), st.randoms(use_true_random=False))
def test_cutting_merging_and_shuffling_rows_changes_no_bit_of_any_figure(pair, cut, random):
    reference, current = pair
    base = from_table(STREAM, reference, 0.0)
    rows = batch(current)
    whole = profile(rows, base.layout)
    cut = min(cut, rows.num_rows)
    parts = [profile(rows.slice(0, cut), base.layout), profile(rows.slice(cut), base.layout)]
    order = list(range(rows.num_rows))
    random.shuffle(order)
    shuffled = profile(rows.take(pa.array(order, pa.int64())), base.layout)
    again = codec.decode(codec.encode(whole), base.layout)
    expected = hold(whole, base)
    for other in (merge(parts), merge(parts[::-1]), shuffled, again):
        assert other == whole
        assert figures(hold(other, base)) == figures(expected)


@_quick
@given(pairs, st.integers(2, 50))
def test_more_of_the_same_changes_no_figure(pair, times):
    reference, current = pair
    base = from_table(STREAM, reference, 0.0)
    once = profile(batch(current), base.layout)
    before, after = figures(hold(once, base)), figures(hold(merge([once] * times), base))
    for key, one in before.items():
        if key[0] in GROWING or one.value is None:
            continue
        more = after[key].value
        assert more is not None, key
        assert math.isclose(one.value, more, rel_tol=1e-9, abs_tol=1e-9), key


@_quick
@given(tables())
def test_a_layout_survives_its_bytes(table):
    made = layout_from_table.of(conform(table))
    again = build.decode(build.encode(made))
    assert again.id == made.id
    assert count(batch(table), again) == count(batch(table), made)


def test_thousands_of_columns_are_profiled_and_measured():
    columns = 10_000 if THOROUGH else 1_000
    rng = np.random.default_rng(0)
    table = pa.table({f"c{i}": rng.normal(size=200) for i in range(columns)})
    base = from_table(STREAM, table, 0.0)
    found = hold(count(batch(table.slice(0, 100)), base.layout), base)
    assert sum(m.metric == "psi" and m.value is not None for m in found) == columns


def test_of_columns_with_one_name_the_first_is_watched_and_it_is_said():
    table = pa.table([pa.array([1.0, 2.0]), pa.array(["x", "y"])], names=["features.a", "features.a"])
    made = layout_from_table.of(table)
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
            "day": ["23.11.2026", "5.11.2026"] * 250,
            "release": ["1.2.3", "1.2.4"] * 250,
            "open": rng.random(500) < 0.5,
            "country": rng.choice(["DE", "FR"], 500),
            "comment": ["this is a long comment that somebody wrote about a delivery that came late"] * 500,
        }
    )
    kinds = {
        column.source or column.name: column.kind.value
        for column in layout_from_table.of(conform(table)).features
    }
    assert {name.removeprefix("features."): kind for name, kind in kinds.items()} == {
        "price": "number", "count": "integer", "customer": "identifier", "row": "identifier", "zip": "category",
        "reading": "number", "when": "time", "day": "time", "release": "category", "open": "boolean",
            "country": "category", "comment": "text",
    }  # fmt: skip
    chosen = layout_from_table.of(
        conform(table), {"zip": layout.ColumnKind.NUMBER, "count": layout.ColumnKind.CATEGORY}
    )
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
