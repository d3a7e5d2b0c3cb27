"""Attributions: NDCG beside scikit-learn's, limits that hold what chance allows, and what is not measured."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.attributions.attribution_drift import measure
from monitor.metrics.attributions.rank_agreement import agreement, ndcg
from monitor.records import Measurement, Window
from monitor.windows import codec
from monitor.windows.baseline_from_table import Baseline, count_table, from_table
from monitor.windows.kernel.attribution_counts import shares_of
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import from_table as layouts
from monitor.windows.profile import merge
from tests.support.tables import STREAM
from tests.support.thorough import examples

Sizes = Mapping[str, np.ndarray]
SIZES = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.5]), min_size=2, max_size=12)
DIRTY = st.sampled_from(
    [None, 0.0, -1.5, 0.1, 0.2, 0.3, 1e-300, 1e-99, 1e149, 1e200, float("nan"), float("inf")]
)


def rows(attributions: Mapping[str, Sequence[float | None] | np.ndarray], **others: object) -> pa.Table:
    columns = {
        f"attributions.{name}": pa.array(values, pa.float64()) for name, values in attributions.items()
    }
    amount = len(next(iter(attributions.values())))
    answers = pa.array(["a"] * amount)
    return pa.table({"features.f": np.arange(amount) * 1.0, "prediction": answers, **columns, **others})


def base_of(table: pa.Table) -> Baseline:
    return from_table(STREAM, table, 0.0)


def measured(table: pa.Table, base: Baseline | None) -> dict[tuple[str, str], Measurement]:
    layout = base.layout if base is not None else layouts.BARE
    subject = Subject(STREAM, Window(0, 60), count_table(table, layout), base, MetricSettings())
    return {(one.metric, one.label("feature")): one for one in measure(subject)}


def made(seed: int, amount: int, **scales: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: scale * rng.standard_t(4, amount) for name, scale in scales.items()}


@settings(max_examples=examples(100))
@given(
    SIZES.flatmap(
        lambda one: st.tuples(
            st.just(one), st.lists(st.sampled_from(one), min_size=len(one), max_size=len(one))
        )
    )
)
def test_ndcg_is_that_of_scikit_learn_with_any_ties(pair):
    relevance, sizes = map(np.array, pair)
    if relevance.any():
        assert ndcg(relevance, sizes) == pytest.approx(ndcg_score([relevance], [sizes]), abs=1e-12)


@settings(max_examples=examples(50))
@given(st.integers(0, 10**6), st.integers(2, 7))
def test_limits_hold_every_order_that_the_intervals_allow(seed, features):
    rng = np.random.default_rng(seed)
    relevance, sizes = rng.exponential(size=features), rng.exponential(size=features)
    half = rng.exponential(0.3, features)
    found = agreement(relevance, sizes, half)
    drawn = [ndcg(relevance, rng.uniform(sizes - half, sizes + half)) for _ in range(60)]
    low, high = found.interval
    assert low - 1e-12 <= min(drawn) <= max(drawn) <= high + 1e-12
    assert low <= found.value <= high
    exact = agreement(relevance, sizes, np.zeros(features))
    assert exact.interval == pytest.approx((exact.value, exact.value))


def test_figures_are_those_of_the_rows():
    before, now = made(1, 3000, age=3.0, income=2.0, zip=0.5), made(2, 2000, age=1.0, income=2.0, zip=0.5)
    found = measured(rows(now), base_of(rows(before)))
    size, usual = ({name: np.abs(values).mean() for name, values in some.items()} for some in (now, before))
    whole = np.abs(np.stack(list(now.values()))).sum(axis=0)
    for name in size:
        one = found["mean_absolute_attribution", name]
        assert (one.value, one.baseline, one.n) == pytest.approx((size[name], usual[name], 2000))
        half = 1.959964 * np.abs(now[name]).std() / 2000**0.5
        assert (one.low, one.high) == pytest.approx((size[name] - half, size[name] + half))
        share = found["attribution_share", name]
        part = size[name] / sum(size.values())
        assert (share.value, share.baseline) == pytest.approx((part, usual[name] / sum(usual.values())))
        rest = 1.959964 * (np.abs(now[name]) - part * whole).std() / whole.mean() / 2000**0.5
        assert (share.low, share.high) == pytest.approx((part - rest, part + rest))
        change = found["attribution_share_change", name]
        assert change.value == pytest.approx(share.value - share.baseline)
        assert change.p_value is not None
    rank = found["attribution_ndcg", ""]
    assert rank.value == pytest.approx(ndcg_score([list(usual.values())], [list(size.values())]))
    assert (
        found["attribution_share_change", "age"].p_value < 1e-6 < found["attribution_share_change", "age"].n
    )


def test_share_intervals_hold_the_truth_in_95_of_100_windows():
    hits, truth = 0, 2.0 / 3.5
    for seed in range(100):
        one = measured(rows(made(seed, 300, a=2.0, b=1.0, c=0.5)), None)["attribution_share", "a"]
        hits += one.low <= truth <= one.high
    assert 88 <= hits <= 99


@pytest.mark.parametrize(("features", "amount"), [(2, 100), (5, 100), (30, 150), (120, 100)])
def test_windows_like_a_small_baseline_never_prove_another_order(features, amount):
    """And a reversed order is proven, so the limits are not merely wide."""
    rng = np.random.default_rng(features)
    scales = {f"f{place}": float(4.0 ** -min(place, 6)) for place in range(features)}
    for seed in range(15 if features < 20 else 4):
        base = base_of(rows(made(2 * seed, amount, **scales)))
        rank = measured(rows(made(2 * seed + 1, amount, **scales)), base)["attribution_ndcg", ""]
        assert rank.high >= 0.9
    reversed_scales = dict(zip(scales, reversed(scales.values()), strict=True))
    rank = measured(rows(made(int(rng.integers(10**6)), 2000, **reversed_scales)), base)[
        "attribution_ndcg", ""
    ]
    assert rank.value <= rank.high < 0.9


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(DIRTY, DIRTY, DIRTY), min_size=1, max_size=30), st.integers(0, 30))
def test_windows_merged_equal_the_whole(values, cut):
    table = rows({name: list(some) for name, some in zip("abc", zip(*values, strict=True), strict=True)})
    layout = base_of(table).layout
    parts = [table.slice(0, cut), table.slice(cut).select(reversed(table.column_names))]
    batches = [some.combine_chunks().to_batches()[0] for some in parts if some.num_rows]
    whole = count(table.combine_chunks().to_batches()[0], layout)
    assert merge([count(one, layout) for one in batches]) == whole
    assert codec.decode(codec.encode(whole), layout) == whole


def test_sampled_rows_stand_for_those_that_were_not():
    values = made(5, 1000, a=2.0, b=1.0)
    half = {name: np.where(np.arange(1000) % 2, some, np.nan) for name, some in values.items()}
    table = rows(half, sampled=pa.array(np.arange(1000) % 2 == 1), weight=np.full(1000, 2.0))
    found = measured(table, None)["attribution_share", "a"]
    kept = {name: np.abs(some[1::2]).mean() for name, some in values.items()}
    assert (found.value, found.n) == pytest.approx((kept["a"] / sum(kept.values()), 500))


def test_what_cannot_be_right_is_not_measured_and_says_why():
    usual = base_of(rows(made(1, 500, a=2.0, b=1.0)))
    plain = rows({"a": [None] * 300}).drop_columns(["attributions.a"])
    assert not measured(plain, base_of(plain))
    cases = [
        (plain, usual, "no record with attributions"),
        (rows(made(2, 50, a=1.0, b=1.0)), usual, "50 rows with attributions of 100 needed"),
        (
            rows({"a": [1e200] * 300}),
            usual,
            "0 rows with attributions of 100 needed, 300 set aside because a value is too large",
        ),
        (rows({"a": [0.0] * 300, "b": [0.0] * 300}), usual, "all attributions are zero"),
        (rows(made(2, 300, a=1.0, b=1.0)), base_of(plain), "the baseline has no attributions: set another baseline"),
        (rows(made(2, 300, a=1.0)), base_of(rows(made(1, 500, a=2.0))), "an order needs two features"),
        (
            rows({f"f{place}": [1.0] * 300 for place in range(201)}),
            usual,
            "records attribute more than 200 features: send the largest attributions",
        ),
    ]  # fmt: skip
    for table, base, reason in cases:
        rank = measured(table, base)["attribution_ndcg", ""]
        assert (rank.value, rank.reason) == (None, reason)
    gone = measured(rows(made(2, 300, a=1.0)), usual)["attribution_share", "b"]
    assert (gone.value, gone.reason) == (None, "no record attributes it")
    zero = measured(rows(made(2, 300, a=1.0, b=0.0)), usual)["attribution_share", "b"]
    assert (zero.value, zero.low, zero.high) == (0.0, 0.0, 0.0)
    assert ("attribution_share", "never") not in measured(rows(made(2, 300, a=1.0)), usual)


def test_records_without_attributions_cost_no_byte():
    plain = rows({"a": [None] * 300}).drop_columns(["attributions.a"])
    part = count_table(plain, base_of(plain).layout).overall
    assert not [name for name in [*part.totals, *part.tallies] if "attribution" in name]
    assert shares_of(part) == {}
