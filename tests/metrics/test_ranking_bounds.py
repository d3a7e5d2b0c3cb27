"""The areas of counted probabilities: the value of the single rows lies between their bounds, also with ties."""

import numpy as np
import pyarrow as pa
import sklearn.metrics as oracle
from hypothesis import given
from hypothesis import strategies as st

from monitor.metrics import MetricSettings, Subject, measure
from monitor.metrics.quality import ranking
from monitor.windows.baseline_from_table import conform, from_table
from monitor.windows.kernel.count_rows import count
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import merge
from tests.metrics.test_oracles import STREAM, WINDOW

ROUNDING = 1e-9


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(40, 1500),
    share=st.floats(0.01, 0.99),
    skill=st.floats(0.0, 4.0),
    decimals=st.sampled_from([0, 1, 2, 3, 12]),
    unknown=st.sampled_from([0.0, 0.3]),
)
def test_law_areas_of_single_rows_lie_between_the_bounds(
    seed: int, rows: int, share: float, skill: float, decimals: int, unknown: float
) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random(rows) < share
    truth[:2] = (True, False)
    score = np.round(1 / (1 + np.exp(-rng.normal(skill * (truth - 0.5), 1.5))), decimals)
    known = rng.random(rows) >= unknown
    known[:2] = True
    table = pa.table(
        {
            "probabilities.yes": score,
            "probabilities.no": 1 - score,
            "prediction": np.where(score > 0.5, "yes", "no"),
            "outcome.truth": pa.array(np.where(truth, "yes", "no"), mask=~known),
        }
    )
    base = from_table(STREAM, table, 0.0)
    batch = conform(table).combine_chunks().to_batches()[0]
    profile = merge([count(batch, base.layout), count_outcomes(batch, base.layout)])
    both = [profile.overall.column(f"truth.yes.{part}") for part in ("positive", "negative")]
    measured = {
        m.metric: m
        for m in measure(Subject(STREAM, WINDOW, profile, base, MetricSettings(min_outcomes=1)))
        if not m.labels
    }
    for metric, bounds, figure, score_of in (
        ("roc_auc", ranking.roc_auc_bounds, ranking.roc_auc, oracle.roc_auc_score),
        (
            "pr_auc",
            ranking.average_precision_bounds,
            ranking.average_precision,
            oracle.average_precision_score,
        ),
    ):
        least, greatest = bounds(*both)
        expected = float(score_of(truth[known], score[known]))
        assert least - ROUNDING <= expected <= greatest + ROUNDING, metric
        assert least - ROUNDING <= figure(*both) <= greatest + ROUNDING, metric
        found = measured[metric]
        assert found.low is not None
        assert found.high is not None
        assert found.low - ROUNDING <= found.value <= found.high + ROUNDING


def test_buckets_without_ties_of_both_kinds_have_no_room_between_the_bounds() -> None:
    table = pa.table(
        {
            "probabilities.yes": [0.1, 0.2, 0.4, 0.8] * 10,
            "probabilities.no": [0.9, 0.8, 0.6, 0.2] * 10,
            "prediction": ["no", "no", "no", "yes"] * 10,
            "outcome.truth": ["no", "no", "yes", "yes"] * 10,
        }
    )
    base = from_table(STREAM, table, 0.0)
    batch = conform(table).combine_chunks().to_batches()[0]
    profile = merge([count(batch, base.layout), count_outcomes(batch, base.layout)])
    both = [profile.overall.column(f"truth.yes.{part}") for part in ("positive", "negative")]
    assert ranking.roc_auc_bounds(*both) == (1.0, 1.0)
    assert ranking.average_precision_bounds(*both)[1] == 1.0
    assert ranking.average_precision_bounds(*both)[0] > 0.999
