"""Fairness by group, against statsmodels and formulae on the raw rows."""

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from monitor.metrics import MetricSettings, Subject, intervals
from monitor.metrics.fairness import disparity
from monitor.metrics.settings import FairnessSettings
from monitor.records import Measurement, Stream, Window
from monitor.windows.baseline_from_table import Baseline, conform, from_table
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE
from monitor.windows.layout.layout import Layout
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, merge

STREAM, DAY = Stream("acme", "credit"), Window(0, 86400)
FAIRNESS = FairnessSettings(("sex",), "approved")


def applicants(rows: int = 3000, seed: int = 0, groups: tuple[str, ...] = ("f", "m")) -> pa.Table:
    """Applicants of whom the first group is approved less often, and the last one is the largest."""
    rng = np.random.default_rng(seed)
    of = rng.choice(len(groups), rows, p=np.arange(1, len(groups) + 1) / sum(range(1, len(groups) + 1)))
    approved = rng.random(rows) < 0.4 + 0.1 * of
    confidence = rng.beta(8, 2, rows)
    is_right = rng.random(rows) < confidence - 0.1 * (of == 0)
    return pa.table(
        {
            "prediction": np.where(approved, "approved", "declined"),
            "outcome.truth": np.where(approved == is_right, "approved", "declined"),
            "confidence": confidence,
            "segments.sex": np.array(groups)[of],
            "features.income": rng.normal(size=rows),
        }
    )


def profile(table: pa.Table, layout: Layout) -> Profile:
    (rows,) = conform(table).combine_chunks().to_batches()
    return merge([count(rows, layout), count_outcomes(rows, layout)])


def measured(
    counted: Profile, fairness: FairnessSettings = FAIRNESS, base: Baseline | None = None
) -> dict[tuple[str, str], Measurement]:
    settings = MetricSettings(fairness={(STREAM.client, STREAM.model): fairness})
    found = disparity.measure(Subject(STREAM, DAY, counted, base, settings))
    return {(one.metric, one.label("group")): one for one in found}


@pytest.mark.parametrize(
    "hits", [(30, 200, 90, 300), (1, 100, 50, 120), (199, 200, 300, 300), (60, 150, 1, 100)]
)
def test_intervals_are_those_of_statsmodels(hits: tuple[int, int, int, int]) -> None:
    """Newcombe's to the last digit; that of a ratio is close to Miettinen and Nurminen's score interval."""
    newcombe = confint_proportions_2indep(*hits, compare="diff", method="newcomb")
    assert intervals.difference_of_shares(*hits) == pytest.approx(newcombe, abs=1e-9)
    score = confint_proportions_2indep(*hits, compare="ratio", method="score", correction=False)
    low, high = intervals.ratio_of_shares(*hits)
    assert math.log(low / score[0]) == pytest.approx(0, abs=0.15)
    assert math.log(high / score[1]) == pytest.approx(0, abs=0.15)


def test_the_interval_of_a_ratio_holds_it_also_at_the_ends() -> None:
    for group, other in ((0.0, 1.0), (0.0, 100.0), (100.0, 100.0), (100.0, 1.0), (37.0, 37.0)):
        low, high = intervals.ratio_of_shares(group, 100.0, other, 100.0)
        assert 0 <= low <= group / other <= high
        assert high - low > 0.03


def test_the_interval_of_a_ratio_holds_the_true_one_in_95_of_100_windows() -> None:
    rng = np.random.default_rng(3)
    for n, m, share, ratio in ((100, 400, 0.5, 1.0), (120, 2000, 0.05, 1.0), (100, 1000, 0.8, 0.8)):
        pairs = zip(rng.binomial(n, share * ratio, 1500), rng.binomial(m, share, 1500), strict=True)
        ends = [intervals.ratio_of_shares(float(a), n, float(b), m) for a, b in pairs]
        assert 0.93 <= np.mean([low <= ratio <= high for low, high in ends]) <= 0.985


@pytest.mark.parametrize("with_baseline", [True, False])
def test_figures_are_those_of_the_raw_rows(*, with_baseline: bool) -> None:
    table = applicants()
    base = from_table(STREAM, applicants(seed=1), 0.0) if with_baseline else None
    found = measured(profile(table, base.layout if base else BARE), base=base)
    frame = table.to_pandas()
    answer, truth = frame["prediction"] == "approved", frame["outcome.truth"] == "approved"
    f, m = ((frame["segments.sex"] == sex).to_numpy() for sex in "fm")
    right = frame["prediction"] == frame["outcome.truth"]
    bias = frame["confidence"] - right
    expected = {
        "disparate_impact": answer[f].mean() / answer[m].mean(),
        "statistical_parity_difference": answer[f].mean() - answer[m].mean(),
        "equal_opportunity_difference": answer[f & truth].mean() - answer[m & truth].mean(),
        "predictive_parity_difference": truth[f & answer].mean() - truth[m & answer].mean(),
        "calibration_difference": bias[f].mean() - bias[m].mean(),
    }
    for name, value in expected.items():
        one = found[name, "sex=f"]
        assert one.value == pytest.approx(value, abs=1e-6), name
        assert one.label("reference_group") == "sex=m"
        assert one.low is not None
        assert one.high is not None
        assert one.low < value < one.high
        assert (one.baseline is not None) == with_baseline
    confidence = frame["confidence"]
    variances = [
        np.append(bias[of], confidence[of].mean() - np.array([1, 0])).var() / of.sum() for of in (f, m)
    ]  # with one more right and one more wrong row
    error = math.sqrt(sum(variances))
    assert found["calibration_difference", "sex=f"].high == pytest.approx(
        expected["calibration_difference"] + intervals.Z * error, rel=1e-3
    )
    for group, rows in (("sex=f", f), ("sex=m", m)):
        rate = found["selection_rate", group]
        assert (rate.value, rate.n) == (pytest.approx(answer[rows].mean()), rows.sum())
        assert (rate.low, rate.high) == intervals.wilson(answer[rows].sum(), rows.sum())
    assert {name for name, group in found if group == "sex=m"} == {"selection_rate"}


def test_few_rows_are_no_verdict_and_the_reason_counts_them() -> None:
    table = applicants(3000)
    sex = np.array(table.column("segments.sex").to_pylist(), object)
    sex[:17] = "x"
    table = table.set_column(table.schema.get_field_index("segments.sex"), "segments.sex", pa.array(sex))
    found = measured(profile(table, BARE))
    for name in ("selection_rate", "disparate_impact", "statistical_parity_difference"):
        assert (found[name, "sex=x"].value, found[name, "sex=x"].reason) == (
            None,
            "17 rows of sex=x, 100 needed",
        )
    assert "favourable truth of sex=x, 100 needed" in found["equal_opportunity_difference", "sex=x"].reason
    assert found["disparate_impact", "sex=f"].value is not None


def test_an_empty_group_is_not_measured_and_neither_are_those_held_against_it() -> None:
    base = from_table(STREAM, applicants(), 0.0)
    table = applicants()
    only = table.filter(pa.array(np.array(table.column("segments.sex")) == "f"))
    found = measured(profile(only, base.layout), base=base)
    assert found["disparate_impact", "sex=f"].reason == "0 rows of sex=m, 100 needed"
    assert found["selection_rate", "sex=m"].reason == "0 rows of sex=m, 100 needed"
    nothing = measured(profile(table.drop_columns(["segments.sex"]), BARE))
    assert {key: one.reason for key, one in nothing.items()} == {
        ("selection_rate", ""): "no row has the segment sex"
    }


def test_where_all_answers_are_right_the_difference_of_calibration_is_not_certain() -> None:
    table = applicants().drop_columns(["outcome.truth", "confidence"])
    table = table.append_column("outcome.truth", table.column("prediction"))
    table = table.append_column("confidence", pa.array([0.8] * table.num_rows))
    one = measured(profile(table, BARE))["calibration_difference", "sex=f"]
    assert one.value == pytest.approx(0)
    assert one.low is not None
    assert one.high is not None
    assert -0.01 < one.low < -0.001
    assert 0.001 < one.high < 0.01


def test_nobody_favoured_in_the_reference_group_makes_no_ratio() -> None:
    table = applicants()
    declined = np.where(np.array(table.column("segments.sex")) == "m", "declined", "approved")
    found = measured(profile(table.set_column(0, "prediction", pa.array(declined)), BARE))
    assert "no answer of sex=m is favourable" in found["disparate_impact", "sex=f"].reason
    assert found["statistical_parity_difference", "sex=f"].value == 1.0


def test_the_names_of_groups_and_the_order_and_cut_of_rows_change_no_figure() -> None:
    table = applicants(groups=("a", "b", "c"))
    before = measured(profile(table, BARE), replace(FAIRNESS, reference={"sex": "c"}))
    hostile = {"a": "<b>\u202e", "b": "x" * 500, "c": "né\u2028e"}
    renamed = pa.array([hostile[one] for one in table.column("segments.sex").to_pylist()])
    other = table.set_column(table.schema.get_field_index("segments.sex"), "segments.sex", renamed)
    order = np.random.default_rng(1).permutation(table.num_rows)
    parts = [profile(other.take(order[:700]), BARE), profile(other.take(order[700:]), BARE)]
    after = measured(merge(parts), replace(FAIRNESS, reference={"sex": hostile["c"]}))
    assert len(before) == len(after) == 3 + 2 * 5
    for (name, group), one in before.items():
        two = after[name, "sex=" + hostile[group.removeprefix("sex=")]]
        assert (one.value, one.low, one.high, one.n) == (two.value, two.low, two.high, two.n)


def test_the_reference_is_the_one_named_or_the_largest_of_the_baseline() -> None:
    base = from_table(STREAM, applicants(), 0.0)
    table = applicants()
    mostly_f = pa.concat_tables(
        [table, *[table.filter(pa.array(np.array(table.column("segments.sex")) == "f"))] * 3]
    )
    counted = profile(mostly_f, base.layout)
    assert measured(counted, base=base)["disparate_impact", "sex=f"].label("reference_group") == "sex=m"
    assert ("disparate_impact", "sex=m") in measured(counted)
    named = measured(counted, replace(FAIRNESS, reference={"sex": "f"}), base)
    assert named["disparate_impact", "sex=m"].label("reference_group") == "sex=f"


def test_numbers_and_notations_of_the_favourable_answer() -> None:
    table = applicants()
    flags = pa.array([answer == "approved" for answer in table.column("prediction").to_pylist()])
    as_texts = table.set_column(0, "prediction", pa.array([str(one.as_py()) for one in flags]))
    expected = measured(profile(table, BARE))["disparate_impact", "sex=f"].value
    found = measured(profile(as_texts, BARE), replace(FAIRNESS, favourable="true"))
    assert found["disparate_impact", "sex=f"].value == expected
    amounts = table.set_column(0, "prediction", pa.array(np.random.default_rng(0).normal(size=3000)))
    base = from_table(STREAM, amounts, 0.0)
    numbers = measured(profile(amounts, base.layout), base=base)["disparate_impact", "sex=f"]
    assert "see `task`" in numbers.reason
