"""Counts of truth and answer: exact in any order, small where classes are few, and read as they were stored before."""

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from monitor.metrics import MetricSettings, Subject, measure
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Window
from monitor.store.checksums import unseal
from monitor.store.db import Store
from monitor.windows import codec
from monitor.windows.baseline_from_table import conform
from monitor.windows.counting import count_new
from monitor.windows.kernel.confusion_counts import ANSWERS, PAIRS, RIGHT, TRUTHS
from monitor.windows.layout.from_table import BARE
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, Slice, merge
from monitor.windows.rolling import Rolling
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM, outcome, prediction, running, send
from tests.support.notations import BINARY, two_classes


def counted(classes: int, rows: int = 5000, pieces: int = 1) -> Profile:
    rng = np.random.default_rng(classes)
    y, p = rng.integers(0, classes, rows), rng.integers(0, classes, rows)
    table = pa.table({"prediction": [f"c{i}" for i in p], "truth": [f"c{i}" for i in y]})
    batch = conform(table).combine_chunks().to_batches()[0]
    size = -(-rows // pieces)
    return merge([count_outcomes(batch.slice(at, size), BARE) for at in range(0, rows, size)])


@pytest.mark.parametrize("classes", [2, 40, 1500])
def test_a_window_that_was_cut_is_the_whole_and_survives_its_bytes(classes: int) -> None:
    whole = counted(classes)
    assert counted(classes, pieces=7) == whole
    assert codec.decode(codec.encode(whole), BARE) == whole


def test_few_classes_are_kept_as_their_pairs_alone():
    stored = msgspec.msgpack.decode(unseal(codec.encode(counted(3))))
    assert set(stored[2][0][7]) == {"flags", PAIRS}


def before(profile: Profile) -> Profile:
    """The profile as versions without counts of classes made it."""
    part = profile.overall
    flags = {name: n for name, n in part.tally("flags").items() if name != "classed"}
    tallies = {PAIRS: part.tally(PAIRS), "flags": flags}
    old = Slice(
        part.layout, part.rows, part.weight, part.weight_squares, part.kept, part.sums, part.extremes,
        part.totals, tallies,
    )  # fmt: skip
    return Profile(profile.layout, {("", ""): old})


def test_what_was_stored_before_is_exact_where_all_pairs_were_kept_and_else_not_measured():
    few, many = counted(20), counted(60)
    assert codec.decode(codec.encode(before(few)), BARE).overall.tallies == few.overall.tallies
    old = codec.decode(codec.encode(before(many)), BARE)
    assert old.overall.flag("classed") == 5000
    found = {
        m.metric: m
        for m in measure(Subject(STREAM, Window(0, 60), old, None, MetricSettings()))
        if not m.labels
    }
    assert found["accuracy"].value == many.overall.flag("right") / 5000
    assert found["f1"].value is None
    both = merge([old, many])
    assert sum(both.overall.tally(TRUTHS).values()) < both.overall.flag("classed")
    assert sum(many.overall.tally(ANSWERS).values()) == 5000
    assert sum(many.overall.tally(RIGHT).values()) == many.overall.flag("right")


def figures(store: Store) -> dict[str, float | None]:
    with store.read() as connection:
        hour = Window(int(NOW) - 3600, int(NOW) + 3600)
        profile = Rolling(connection, 60, settled=NOW + 1e6).profile(STREAM, hour)
    return {
        m.metric: m.value
        for m in measure(Subject(STREAM, hour, profile, None, MetricSettings()))
        if not m.labels
    }


@pytest.mark.parametrize("answer", ["int", "bool", "True", "float text"])
@pytest.mark.parametrize("truth", ["int", "bool", "TRUE", "digit text"])
@pytest.mark.parametrize("at_once", [True, False])
def test_late_outcomes_in_another_notation_are_right(
    tmp_path: Path, answer: str, truth: str, at_once: bool
) -> None:
    y, p = two_classes(1, 60)
    told = [outcome(id=f"p{i}", truth=BINARY[truth](int(v))) for i, v in enumerate(y)]
    made = [
        prediction(id=f"p{i}", timestamp=NOW - 7 * i, prediction=BINARY[answer](int(v)), confidence=0.8)
        for i, v in enumerate(p)
    ]
    with running(tmp_path) as (log, store):
        send(log, RecordKind.PREDICTIONS, made)
        for some in [told] if at_once else [[one] for one in told[:10]] + [told[10:]]:
            send(log, RecordKind.OUTCOMES, some)
            count_new(store, WindowSettings(), NOW)
        found = figures(store)
    share = (y == p).mean()
    assert found["accuracy"] == pytest.approx(share)
    brier = share * 0.2**2 + (1 - share) * 0.8**2
    assert found["brier_score"] == pytest.approx(brier, abs=1e-3)


def test_one_stray_truth_among_numbers_is_one_missing_value(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(200, 30, 60).round(2).tolist()
    told = [outcome(id=f"p{i}", truth=f"{v:.2f}") for i, v in enumerate(y)]
    told[7]["truth"] = "n/a"
    with running(tmp_path) as (log, store):
        made = [prediction(id=f"p{i}", timestamp=NOW - 7 * i, prediction=v + 1.5) for i, v in enumerate(y)]
        send(log, RecordKind.PREDICTIONS, made)
        send(log, RecordKind.OUTCOMES, told)
        count_new(store, WindowSettings(), NOW)
        assert figures(store)["mae"] == pytest.approx(1.5)
