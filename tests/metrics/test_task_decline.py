"""Declines of sets of labels, outputs and risks: beside formulas, with the chance of both sides, and quiet at rest."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.declared import task_decline
from monitor.predictions.log.item_lists import labels_text, outputs_text
from monitor.records import Measurement, Stream, Window
from monitor.windows.baseline_from_table import Baseline, from_table
from monitor.windows.declared.baseline_definitions import DeclaredBaseline
from monitor.windows.declared.declared import Declared
from monitor.windows.declared.score_definitions import Survival, of_survival
from monitor.windows.kernel import label_set_counts, output_counts
from monitor.windows.kernel.exact_sums import exact_sum
from monitor.windows.layout.from_table import BARE
from monitor.windows.profile import OVERALL, Profile, blank
from tests.support.thorough import THOROUGH

STREAM, DAY = Stream("acme", "topics"), Window(0, 86400)
CONFIDENCE = 3.8906
"""The rule's 99.995 % in standard deviations."""


def declines(
    now: Profile, before: Baseline, declared: Declared | None = None
) -> dict[tuple[str, ...], Measurement]:
    found = Subject(STREAM, DAY, now, before, MetricSettings(), declared=declared or Declared({}))
    return {tuple(value for _, value in one.labels): one for one in task_decline.measure(found)}


def summed(sums: Mapping[str, float]) -> Profile:
    """A profile with these sums of all rows."""
    totals = {name: exact_sum(np.array([float(value)])) for name, value in sums.items() if value}
    return Profile(BARE, {OVERALL: replace(blank(BARE).overall, totals=totals)})


def baseline(of: Profile) -> Baseline:
    return Baseline(STREAM, "baseline", 0.0, "table", BARE, of)


def sets(right: float, n: float) -> Profile:
    return summed({label_set_counts.ROWS: n, label_set_counts.EXACT: right})


def errors(of: np.ndarray) -> Profile:
    whats = {
        output_counts.N: of.size,
        output_counts.ABSOLUTE: np.abs(of).sum(),
        output_counts.SQUARED: (of * of).sum(),
    }
    return summed({output_counts.name_of(what, "w"): float(value) for what, value in whats.items()})


def table(seed: int, rows: int = 400, noise: float = 1.0) -> pa.Table:
    chance = np.random.default_rng(seed)
    truth = chance.normal(0, 5, rows)
    risk = chance.normal(0, 1, rows)
    right = chance.random(rows) < 0.8 / noise
    return pa.table(
        {
            "predicted_labels": [labels_text(["a"]) for _ in range(rows)],
            "outcome.true_labels": [labels_text(["a"] if one else ["b"]) for one in right],
            "outputs": [outputs_text({"w": one}) for one in truth + chance.normal(0, noise, rows)],
            "outcome.true_outputs": [outputs_text({"w": one}) for one in truth],
            "prediction": risk,
            "outcome.truth": chance.exponential(60 / np.exp(risk / noise)),
            "segments.site": ["x", "y"] * (rows // 2),
        }
    )


def test_figures_are_those_of_the_raw_rows_for_all_and_by_segment() -> None:
    defined = of_survival(Survival((30.0,)))
    declared = Declared({one.name: [(0, one)] for one in defined})
    rows = table(1), table(2, noise=2.0)
    base, now = (from_table(STREAM, one, 0.0, declared=DeclaredBaseline.of(defined)) for one in rows)
    assert base.layout.id != now.layout.id
    counted = Profile(
        base.layout, {key: replace(part, layout=base.layout) for key, part in now.profile.slices.items()}
    )
    found = declines(counted, base, declared)
    for where, chosen in (((), slice(None)), (("site=x",), slice(None, None, 2))):
        usual, value = (
            [one.column(name).to_pylist()[chosen] for one in rows] for name in ("prediction", "prediction")
        )
        areas = [
            roc_auc_score([end <= 30 for end in one.column("outcome.truth").to_pylist()[chosen]], risks)
            for one, risks in zip(rows, (usual[0], value[1]), strict=True)
        ]
        right = [
            np.mean(
                np.array(one["predicted_labels"].to_pylist()[chosen])
                == np.array(one["outcome.true_labels"].to_pylist()[chosen])
            )
            for one in rows
        ]
        maes = [_mae(one, chosen) for one in rows]
        assert found["subset_accuracy", *where].value == pytest.approx(1 - right[1] / right[0])
        assert found[("output_mae", "w", *where)].value == pytest.approx(maes[1] / maes[0] - 1)
        lost = 1 - (areas[1] - 0.5) / (areas[0] - 0.5)
        assert found[("30", "concordance_at_horizon", *where)].value == pytest.approx(lost, abs=0.02)


def _mae(rows: pa.Table, chosen: slice) -> float:
    sides = (
        [float(one[5:-1]) for one in rows[name].to_pylist()[chosen]]
        for name in ("outputs", "outcome.true_outputs")
    )
    one, other = (np.array(side) for side in sides)
    return float(np.abs(one - other).mean())


@pytest.mark.parametrize(
    ("now", "before", "reason"),
    [
        (sets(10, 20), sets(90, 100), "20 outcomes of 30 needed"),
        (sets(90, 100), sets(50, 60), "60 outcomes of the baseline of 100 needed"),
        (sets(90, 100), sets(0, 200), "no better than chance"),
        (sets(90, 100), summed({}), "0 outcomes of the baseline of 100 needed"),
    ],
)
def test_without_enough_of_both_the_reason_is_told(now: Profile, before: Profile, reason: str) -> None:
    one = declines(now, baseline(before))["subset_accuracy",]
    assert one.value is None
    assert reason in one.reason


def test_a_model_of_another_task_has_none() -> None:
    assert declines(summed({}), baseline(sets(90, 100))) == {}


def test_models_that_stay_as_they_are_fire_rarely_and_worse_ones_do() -> None:
    """The rule looks at a day again and again, but its days are about thirty a month."""
    chance, fired, held, looks = np.random.default_rng(5), 0, 0, 6000 if THOROUGH else 1500
    for look in range(looks):
        n, m = (int(size) for size in chance.integers(200, 2000, 2))
        if look % 2:
            share = chance.uniform(0.02, 0.99)
            pair = sets(chance.binomial(n, share), n), sets(chance.binomial(m, share), m)
        else:
            pair = errors(chance.laplace(0, 2, n)), errors(chance.laplace(0, 2, m))
        (one,) = declines(pair[0], baseline(pair[1])).values()
        if one.value is None:  # no right answer in the baseline
            looks -= 1
            continue
        fired += _fires(one)
        held += one.low is not None and one.high is not None and one.low <= 0 <= one.high
    assert fired == 0
    assert held >= 0.93 * looks
    worse = declines(sets(480, 600), baseline(sets(950, 1000)))["subset_accuracy",]
    assert worse.value == pytest.approx(1 - 0.8 / 0.95)
    assert not _fires(worse)  # a sixth, but of few: perhaps less than a tenth
    assert _fires(declines(sets(420, 600), baseline(sets(950, 1000)))["subset_accuracy",])
    assert _fires(
        declines(errors(chance.laplace(0, 3, 600)), baseline(errors(chance.laplace(0, 2, 900))))[
            "output_mae", "w"
        ]
    )


def _fires(one: Measurement) -> bool:
    assert one.value is not None
    assert one.low is not None
    half = (one.value - one.low) / 1.959964
    return math.isfinite(half) and one.value - CONFIDENCE * half > 0.1
