"""Planted causes are found: what a feature does to the answers, the segment, the version, the feed."""

import re

import numpy as np
import pyarrow as pa
import pytest

from monitor.drift.columns import Role
from monitor.drift.decision.verdict import DriftVerdict
from monitor.drift.explain.attribution import Arrival, causes
from monitor.drift.explain.impact import impacts
from monitor.drift.explain.repetition import Repetition
from monitor.drift.explain.segments import affected_segments, confined
from monitor.records import Stream, Window
from monitor.windows.baseline_from_table import Baseline, from_table
from monitor.windows.kernel.count_rows import count
from monitor.windows.kernel.segment_cells import SegmentFeatures

STREAM = Stream("acme", "fraud")
START = 1_735_516_800


def traffic(
    seed: int, n: int = 4000, amount: float = 0.0, noise: float = 0.0, country: float = 0.2, eu: float = 0.4,
    broken: str = "", score: bool = False,
) -> pa.RecordBatch:  # fmt: skip
    """A model that looks at the amount, a little at the country, and never at the noise. In the segment `broken` it
    answers `fraud` far too often.
    """
    rng = np.random.default_rng(seed)
    amounts, noises = rng.normal(amount, 1, n), rng.normal(noise, 1, n)
    countries = np.where(rng.random(n) < country, "FR", "DE")
    region = np.where(rng.random(n) < eu, "eu", "us")
    value = 1.5 * amounts + 0.3 * (countries == "FR") + 2.5 * (region == broken) + rng.normal(0, 0.5, n)
    said = value if score else np.where(value > 2, "fraud", "fine")
    prediction = pa.array(said) if score else pa.array(said).dictionary_encode()
    missing = rng.random(n) < 0.02
    return pa.RecordBatch.from_pydict(
        {
            "features.amount": pa.array(amounts, mask=missing),
            "features.noise": noises,
            "features.country": pa.array(countries).dictionary_encode(),
            "segments.region": pa.array(region).dictionary_encode(),
            "prediction": prediction,
        }
    )


def baseline(*, score: bool = False) -> Baseline:
    return from_table(STREAM, pa.Table.from_batches([traffic(1, score=score)]), START)


def verdict(
    column: str, effect: float, *, role: Role = Role.INPUT, significant: bool = True, evidence: float = 1e4
) -> DriftVerdict:
    return DriftVerdict(
        STREAM, Window(START, START + 3600), column, role, evidence, 1e3, effect, "values are higher",
        float(START), 1000.0, significant, False, 1, "",
    )  # fmt: skip


def test_of_two_features_that_moved_alike_the_one_that_the_model_uses_comes_first() -> None:
    made = baseline()
    now = count(traffic(2, amount=0.6, noise=0.6), made.layout)
    assert made.sample is not None
    found = impacts(made.sample, made.profile, now)
    assert found["features.amount"].size > 5 * found["features.noise"].size
    told = causes([verdict("features.noise", 0.6), verdict("features.amount", 0.6)], [], {}, found)
    assert [cause.words.split("`")[1] for cause in told] == ["amount", "noise"]
    assert "moves 'fraud' by +" in told[0].words or "moves 'fine' by -" in told[0].words


@pytest.mark.parametrize("score", [False, True])
def test_the_impact_is_about_what_the_answers_really_did(score: bool) -> None:
    made = baseline(score=score)
    now = traffic(3, amount=0.4, score=score)
    assert made.sample is not None
    found = impacts(made.sample, made.profile, count(now, made.layout))["features.amount"].size
    before, after = traffic(1, score=score)["prediction"], now["prediction"]
    if score:
        old, new = np.asarray(before), np.asarray(after)
        really = (new.mean() - old.mean()) / old.std()
    else:
        really = float(np.mean(np.array(after.to_pylist()) == "fraud")) - float(
            np.mean(np.array(before.to_pylist()) == "fraud")
        )
    assert found == pytest.approx(really, rel=0.25)


def test_without_any_change_no_feature_has_an_impact() -> None:
    made = baseline()
    assert made.sample is not None
    found = impacts(made.sample, made.profile, count(traffic(4), made.layout))
    assert set(found) == {"features.amount", "features.noise", "features.country"}
    assert max(impact.size for impact in found.values()) < 0.02


def test_given_importance_counts_for_more_than_the_guess() -> None:
    made = baseline()
    assert made.sample is not None
    found = impacts(made.sample, made.profile, count(traffic(5, amount=0.6, noise=0.6), made.layout))
    told = causes(
        [verdict("features.amount", 0.6), verdict("features.noise", 0.6)], [], {"noise": 10.0}, found
    )
    assert "`noise`" in told[0].words


def test_the_segment_whose_answers_broke_is_named_and_no_other() -> None:
    made = baseline()
    found = affected_segments(made.profile, count(traffic(6, broken="eu"), made.layout))
    assert len(found) == 1
    assert found[0].words.startswith("it sits in segment region=eu: ")


def test_a_segment_that_sends_more_is_named() -> None:
    made = baseline()
    found = affected_segments(made.profile, count(traffic(7, eu=0.7), made.layout))
    assert len(found) == 1
    assert re.fullmatch(
        r"segment region=us makes up (29|30|31)% of the rows instead of (58|59|60)%", found[0].words
    ) or (
        re.fullmatch(
            r"segment region=eu makes up (69|70|71)% of the rows instead of (40|41|42)%", found[0].words
        )
    )


def test_what_moves_everywhere_or_nowhere_sits_in_no_segment() -> None:
    made = baseline()
    assert not affected_segments(made.profile, count(traffic(8, amount=0.8), made.layout))
    assert not affected_segments(made.profile, count(traffic(9), made.layout))
    assert not affected_segments(made.profile, count(traffic(10, n=60, broken="eu"), made.layout))


def test_three_causes_are_told_the_version_first_and_the_answers_last() -> None:
    made = baseline()
    now = count(traffic(11, amount=0.8, broken="eu"), made.layout)
    assert made.sample is not None
    told = causes(
        [verdict("prediction", 1.2, role=Role.OUTPUT), verdict("features.amount", 0.8),
         verdict("features.noise", 0.0, significant=False)],
        [Arrival("8", START - 600.0)], {}, impacts(made.sample, made.profile, now),
        affected_segments(made.profile, now),
    )  # fmt: skip
    assert len(told) == 3
    assert told[0].words == "version 8 began to answer 10m before the change began"
    assert told[1].words.startswith("feature `amount`")


def test_many_columns_at_once_suspect_the_feed_before_any_of_them() -> None:
    moved = [verdict(f"features.f{index}", 0.5) for index in range(6)]
    still = [verdict("features.g", 0.0, significant=False)]
    assert causes([*moved, *still], [], {})[0].words.startswith("6 of 7 columns moved at once")


def test_rows_that_repeat_come_before_the_columns_and_columns_say_what_they_repeat() -> None:
    moved = [verdict(f"features.{name}", 0.4) for name in "abc"]
    repeated = Repetition("about 30% of all rows look like the same row", {"features.a": "one value repeats"})
    found = causes(
        moved, [], {"a": 10.0}, repeated=repeated, other_day="the rows look as they do on weekends"
    )
    assert found[1].words == "the rows look as they do on weekends"
    told = [cause.words for cause in causes(moved, [], {"a": 10.0}, repeated=repeated)]
    assert told[0] == repeated.rows
    assert told[1].startswith("3 of 3 columns moved at once")
    assert told[2] == "feature `a`: one value repeats"


def moved_in(region: str, seed: int, amount: float = 1.0) -> pa.RecordBatch:
    """Traffic in which the amount is higher in one region; in all if it is empty."""
    rows = traffic(seed)
    regions = np.array(rows.column("segments.region").to_pylist())
    values = rows.column("features.amount").to_numpy(zero_copy_only=False)
    moved = np.where((regions == region) | (region == ""), values + amount, values)
    at = rows.schema.get_field_index("features.amount")
    return rows.set_column(at, "features.amount", pa.array(moved, mask=np.isnan(moved)))


@pytest.mark.parametrize("region", ["eu", "us"])
def test_a_feature_that_moved_in_one_segment_only_is_named_with_it(region: str) -> None:
    made, by_segment = baseline(), SegmentFeatures(8, 2000)
    before = count(traffic(11), made.layout, by_segment=by_segment)
    now = count(moved_in(region, 12), made.layout, by_segment=by_segment)
    [found] = confined(before, now, ["features.amount", "features.noise", "prediction"])
    assert f"feature `amount` moved in segment region={region} only" in found.words
    [cause, *_] = causes([verdict("features.amount", 0.4)], [], {}, {}, [found])[1:]
    assert f"region={region}" in cause.words


def test_a_feature_that_moved_everywhere_or_is_not_counted_is_confined_to_no_segment() -> None:
    made, by_segment = baseline(), SegmentFeatures(8, 2000)
    before = count(traffic(13), made.layout, by_segment=by_segment)
    everywhere = count(moved_in("", 14), made.layout, by_segment=by_segment)
    assert confined(before, everywhere, ["features.amount"]) == []
    assert confined(before, count(moved_in("eu", 15), made.layout), ["features.amount"]) == []
    few = count(moved_in("eu", 16).slice(0, 60), made.layout, by_segment=by_segment)
    assert confined(before, few, ["features.amount"]) == []


def test_learned_importance_decides_between_features_that_moved_alike() -> None:
    moved = [verdict("features.amount", 0.5), verdict("features.noise", 0.5)]
    for first, second in (("amount", "noise"), ("noise", "amount")):
        found = causes(moved, [], {}, drivers={first: 0.5, second: 0.01})
        assert found[0].words.startswith(f"feature `{first}`")
