"""A reversed relation is told in words while each column alone looks as usual; a column's drift is told as its own."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import brentq

from monitor import drift
from monitor.drift import codec
from monitor.drift.decision.verdict import measurements, verdicts
from monitor.drift.explain.relation_words import NOT_JUDGED, share_after, watched_words
from monitor.drift.model.scores import signed_root
from monitor.drift.profile_columns import adapter
from monitor.records import Stream, Window
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import build, from_table
from tests.bench.streams import HOUR, MONDAY, REFERENCE

BUDGET = drift.parse("1 per 30 days")
ROWS, NAME = 100, "relation of age and amount"


def rows(t: int, correlation: float, shift: float = 0.0) -> pa.RecordBatch:
    age, noise, other = np.random.default_rng([t, 5]).standard_normal((3, ROWS))
    amount = correlation * age + np.sqrt(1 - correlation**2) * noise
    return pa.record_batch({"features.age": age + shift, "features.amount": amount, "features.other": other})


@pytest.fixture(scope="module")
def learned():
    baseline = pa.Table.from_batches([rows(t, 0.6) for t in range(50)])
    layout = from_table.of(baseline, with_relations=True)
    return layout, adapter(layout)


def window(learned, t: int, correlation: float, shift: float = 0.0) -> drift.WindowCounts:
    layout, watched = learned
    span = Window(MONDAY + t * HOUR, MONDAY + (t + 1) * HOUR)
    return watched.counts(count(rows(t, correlation, shift), layout), span)


@pytest.fixture(scope="module")
def reference(learned) -> list[drift.WindowCounts]:
    return [window(learned, t, 0.6) for t in range(REFERENCE)]


@pytest.fixture(scope="module")
def calibration(learned, reference) -> drift.Calibration:
    fitted = drift.fit(learned[1].columns, reference)
    return codec.decode_calibration(codec.encode_calibration(fitted))


def judged(learned, calibration, correlation: float, shift: float, windows: int = 48):
    state, limits, joined = (
        drift.begin(calibration),
        drift.limits(calibration.columns, BUDGET.limit(HOUR)),
        {},
    )
    said = []
    for t in range(REFERENCE, REFERENCE + windows):
        state, decision = drift.advance(calibration, state, window(learned, t, correlation, shift), limits)
        said.append(verdicts(Stream("", "m"), calibration, state, decision, limits, BUDGET))
        for index in np.flatnonzero(decision.joined[:-1]).tolist():
            joined.setdefault(calibration.columns[index].name, t - REFERENCE)
    return joined, {verdict.column: verdict for verdict in said[-1]}


def test_a_reversed_correlation_is_alarmed_within_two_windows_of_a_hundred_rows_and_said(
    learned, calibration
):
    joined, last = judged(learned, calibration, -0.6, 0.0)
    assert set(joined) == {NAME}
    assert joined[NAME] <= 1
    reason = last[NAME].reason
    assert reason.startswith(f"{NAME}: the last ")
    assert "`age` and `amount` used to rise together (correlation about 0." in reason
    assert "now move in opposite directions (about -0." in reason
    assert dict(last[NAME].labels) == {"scope": NAME}


def test_a_shift_of_one_column_is_not_told_as_a_relation_too(learned, calibration):
    joined, _ = judged(learned, calibration, 0.6, 1.2)
    assert set(joined) == {"features.age"}


def test_usual_windows_alarm_nothing(learned, calibration):
    assert judged(learned, calibration, 0.6, 0.0, windows=120)[0] == {}


def test_law_a_relation_changes_no_evidence_of_the_features(learned, calibration, reference):
    *features, relation = calibration.columns
    assert relation.relates == ("features.age", "features.amount")
    alone = drift.fit(features, [replace(one, kept=one.counts[: -relation.size]) for one in reference])
    limits = drift.limits(calibration.columns, BUDGET.limit(HOUR))
    beside, by_itself = drift.begin(calibration), drift.begin(alone)
    for t in range(REFERENCE, REFERENCE + 12):
        whole = window(learned, t, 0.2, 0.4)
        part = replace(whole, kept=whole.counts[: -relation.size])
        beside, decided = drift.advance(calibration, beside, whole, limits)
        by_itself, expected = drift.advance(alone, by_itself, part, np.delete(limits, -2))
        np.testing.assert_allclose(np.delete(decided.ratio, -2), expected.ratio, rtol=1e-9)


def test_a_relation_is_measured_only_while_it_has_evidence(learned, calibration):
    limits, state = drift.limits(calibration.columns, BUDGET.limit(HOUR)), drift.begin(calibration)
    shown = []
    for correlation in (0.6, -0.6):
        counts = window(learned, REFERENCE + len(shown), correlation)
        state, decision = drift.advance(calibration, state, counts, limits)
        told = measurements(verdicts(Stream("", "m"), calibration, state, decision, limits, BUDGET))
        shown.append([dict(one.labels).get("scope") for one in told if "scope" in dict(one.labels)])
    assert shown == [["model"], [NAME, "model"]]


def test_a_baseline_that_was_not_searched_for_relations_says_so(learned):
    plain = from_table.of(pa.Table.from_batches([rows(t, 0.6) for t in range(5)]))
    assert watched_words(build.decode(build.encode(plain))) == NOT_JUDGED
    assert (
        watched_words(build.decode(build.encode(learned[0])))
        == "the relation of one pair of features is watched"
    )


@pytest.mark.parametrize("effect", [-1.0, -0.2, 0.1, 0.5])
def test_the_share_in_words_is_that_of_the_effect(effect):
    def distance(share: float) -> float:
        return float(signed_root(np.array([share]), np.array([0.7]), np.array([1e12]))[0]) - effect

    assert share_after(0.7, effect) == pytest.approx(brentq(distance, 1e-9, 1 - 1e-9), abs=1e-4)


@pytest.fixture(scope="module")
def within():
    """Learned from windows in which the amount is alike in all regions."""
    baseline = pa.Table.from_batches([segmented(t, 0.0) for t in range(50)])
    layout = from_table.of(baseline, with_relations=True)
    watched = adapter(layout)
    seen = [
        watched.counts(count(segmented(t, 0.0), layout), Window(MONDAY + t * HOUR, MONDAY + (t + 1) * HOUR))
        for t in range(REFERENCE)
    ]
    return layout, watched, drift.fit(watched.columns, seen)


def segmented(t: int, moved: float) -> pa.RecordBatch:
    """Rows of four regions. A share `moved` of those with the highest amounts is in the south, and no other is more or
    less frequent, so that neither column changes.
    """
    rng = np.random.default_rng([t, 6])
    amount = rng.standard_normal(ROWS)
    hidden = moved * amount + np.sqrt(1 - moved**2) * rng.standard_normal(ROWS)
    others = np.array(["north", "east", "west"])[rng.choice(3, ROWS, p=[0.5, 0.3, 0.2])]
    regions = np.where(hidden > 0.5244, "south", others)  # 30 % of the rows
    return pa.record_batch({"features.amount": amount, "segments.region": regions})


@pytest.mark.parametrize(("moved", "expected"), [(0.0, False), (0.45, True)])
def test_a_shift_within_a_segment_is_found_and_named_while_every_column_is_as_usual(within, moved, expected):
    layout, watched, calibration = within
    state, limits = drift.begin(calibration), drift.limits(calibration.columns, BUDGET.limit(HOUR))
    joined: dict[str, str] = {}
    for t in range(REFERENCE, REFERENCE + 24):
        span = Window(MONDAY + t * HOUR, MONDAY + (t + 1) * HOUR)
        counts = watched.counts(count(segmented(t, moved), layout), span)
        state, decision = drift.advance(calibration, state, counts, limits)
        told = verdicts(Stream("", "m"), calibration, state, decision, limits, BUDGET)
        for index in np.flatnonzero(decision.joined[:-1]).tolist():
            joined.setdefault(told[index].column, told[index].reason)
        if joined:
            break
    if not expected:
        assert joined == {}
        return
    assert set(joined) == {"relation of amount and region=south"}
    (reason,) = joined.values()
    assert "`amount` is higher than usual where `region` is `south`, compared with the other rows" in reason
    assert t - REFERENCE <= 6
