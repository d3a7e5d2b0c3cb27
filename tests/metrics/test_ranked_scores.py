"""Scores that order rows beside scikit-learn and plain sorting, on dirty rows."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from monitor.config.root import Config
from monitor.metrics import MetricSettings, Subject
from monitor.metrics.declared import custom_metrics, ranked_scores
from monitor.records import Measurement, Stream, Window
from monitor.windows.baseline_from_table import conform
from monitor.windows.declared import custom_counts
from monitor.windows.declared.custom_metric import CustomMetric, of_stored
from monitor.windows.declared.declared import Declared
from monitor.windows.declared.score_definitions import Anomaly, Survival, of_anomalies, of_survival
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, merge
from tests.support.thorough import examples

STREAM, DAY = Stream("acme", "pumps"), Window(0, 86400)
ANOMALY = Anomaly(0.9, 50)
DEFINED = [*of_anomalies(ANOMALY), *of_survival(Survival((30.0, 90.5)))]


def profile(rows: pa.Table, defined: Sequence[CustomMetric] = DEFINED) -> Profile:
    (batch,) = conform(rows).combine_chunks().to_batches()
    own = [custom_counts.count(batch, BARE, 50, defined, are_joined=joined) for joined in (False, True)]
    return merge([count(batch, BARE), count_outcomes(batch, BARE), *(one for one in own if one is not None)])


def measured(
    now: Profile, defined: Sequence[CustomMetric] = DEFINED, least: int = 30
) -> dict[tuple[str, ...], Measurement]:
    declared = Declared({one.name: [(0, of_stored(one.name, one.stored()))] for one in defined})
    options = MetricSettings(min_outcomes=least, anomalies={("acme", "pumps"): ANOMALY})
    subject = Subject(STREAM, DAY, now, None, options, declared=declared)
    assert not list(custom_metrics.measure(subject))
    return {(one.metric, *(value for _, value in one.labels)): one for one in ranked_scores.measure(subject)}


def holds(one: Measurement, value: float) -> bool:
    return one.low is not None and one.high is not None and one.low <= value <= one.high


def test_alerts_and_the_highest_scores_are_those_of_sorted_rows() -> None:
    chance = np.random.default_rng(1)
    score = np.round(chance.beta(1, 3, 3000) + 1e-3, 5)
    is_anomaly = chance.random(3000) < score**3
    truth: list[Any] = [None if chance.random() < 0.2 else bool(one) for one in is_anomaly]
    answers: list[Any] = [*score.tolist(), math.nan, None, 2.0]
    rows = pa.table(
        {"prediction": answers,
         "truth": pa.array([None if t is None else str(t).lower() for t in truth] + ["true", "true", None]),
         "segments.site": ["a", "b", "b"] * 1001}
    )  # fmt: skip
    found = measured(profile(rows))
    known = [(s, t) for s, t in zip(score.tolist(), truth, strict=True) if t is not None]
    alerts = [t for s, t in known if s >= 0.9]
    assert found["alert_rate",].value == pytest.approx((np.sum(score >= 0.9) + 1) / 3001)
    assert found["alert_precision",].reason == f"{len(alerts)} alerts with an outcome of 30 needed"
    few = measured(profile(rows), least=2)["alert_precision",]
    assert few.value == pytest.approx(np.mean(alerts))
    highest = [t for _, t in sorted(known, reverse=True)[:50]]
    top = found["precision_at_top_k",]
    assert top.value == pytest.approx(np.mean(highest), abs=0.03)
    assert holds(top, float(np.mean(highest)))
    assert top.n == len(known)
    of_a = [(s, t) for s, t in zip(score[::3].tolist(), truth[::3], strict=True) if t is not None]
    highest_of_a = [t for _, t in sorted(of_a, reverse=True)[:50]]
    assert holds(found["precision_at_top_k", "site=a"], float(np.mean(highest_of_a)))


def test_concordance_at_a_horizon_is_the_area_of_scikit_learn_over_those_that_are_known() -> None:
    chance = np.random.default_rng(2)
    risk = chance.normal(0, 1, 2000)
    event, end = chance.exponential(60 / np.exp(risk)), chance.exponential(120, 2000)
    truth = np.where(event <= end, event, -end)
    rows = pa.table({"prediction": risk, "truth": truth})
    found = measured(profile(rows))
    for horizon in (30.0, 90.5):
        by_then = (truth >= 0) & (truth <= horizon)
        known = by_then | (np.abs(truth) > horizon)
        one = found["concordance_at_horizon", f"{horizon:g}"]
        area = roc_auc_score(by_then[known], risk[known])
        assert one.value == pytest.approx(area, abs=2e-3)
        assert holds(one, float(area))
        assert one.n == known.sum()
    nobody = measured(profile(pa.table({"prediction": risk, "truth": np.full(2000, -500.0)})))
    assert nobody["concordance_at_horizon", "30"].reason == "nobody had the event by the horizon"
    none = measured(profile(pa.table({"prediction": risk})))
    assert (
        none["concordance_at_horizon", "30"].reason == "0 outcomes that are known at the horizon of 30 needed"
    )
    assert none["precision_at_top_k",].reason == "0 outcomes of 50 needed"


@settings(max_examples=examples(10), deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 0.9, 1.0, -2.0, 7.5]), st.sampled_from([None, 1.0, 0.0, -40.0, 60.0])),
        min_size=1, max_size=20,
    ),
    st.data(),
)  # fmt: skip
def test_windows_add_up_in_any_order(rows: list[tuple[float, float | None]], data: st.DataObject) -> None:
    def counted(some: Sequence[tuple[float, float | None]]) -> Profile:
        scores, truths = zip(*some, strict=True)
        return profile(pa.table({"prediction": pa.array(scores), "truth": pa.array(truths, pa.float64())}))

    shuffled, cut = data.draw(st.permutations(rows)), data.draw(st.integers(0, len(rows)))
    total = measured(merge([counted(some) for some in (shuffled[:cut], shuffled[cut:]) if some]), least=1)
    assert total == measured(counted(rows), least=1)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"anomaly": {"threshold": 0.5, "score": "features.x"}}, "names are bare: write x"),
        ({"anomaly": {"threshold": "high"}}, "valid number"),
        ({"anomaly": {"k": 0}}, "greater than or equal to 1"),
        ({"survival": {"horizons": [0]}}, "a horizon is more than 0"),
        ({"survival": {"horizons": [30, 30.0]}}, "two horizons are the same"),
    ],
)
def test_a_section_that_cannot_be_meant_is_refused(model: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Config.model_validate({"clients": {"acme": {"models": {"pumps": model}}}})


def test_names_of_features_and_labels_may_be_anything() -> None:
    odd = 'it\'s "x"] + 1\r\n\u2028'
    section = {
        "anomaly": {"threshold": -0.5, "score": odd, "anomaly": odd},
        "survival": {"horizons": [1], "risk": odd},
    }
    config = Config.model_validate({"clients": {"acme": {"models": {"pumps": section}}}})
    [counted] = config.custom_metrics(()).values()
    assert {column for one in counted for column in one.expression.features} == {f"features.{odd}"}
