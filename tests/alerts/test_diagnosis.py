"""Which error type, version, segment or column it is, with the figures before and since, from real profiles."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerts.diagnosis.affected_slices import error_kinds, locate
from monitor.alerts.diagnosis.causes import (
    NONE_FOUND,
    NONE_FOUND_IN_A_PAST,
    NONE_FOUND_SO_SOON,
    elsewhere,
    versions_before,
    volume_changed,
)
from monitor.alerts.diagnosis.columns import changes
from monitor.alerts.diagnosis.load import OnsetData, diagnose, diagnosed
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.batch import split
from monitor.records import Alert, Diagnosis, Severity, State, labels
from monitor.rules.engine.evaluate import Evaluation
from monitor.store import predictions as stored
from monitor.store.db import Store
from monitor.store.model_versions import Version
from monitor.windows import baseline
from monitor.windows.kernel.count_rows import count
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, merge
from tests.support import schema
from tests.support.log import NOW as LOGGED
from tests.support.log import prediction, running, send
from tests.support.tables import STREAM, predictions

BASELINE = baseline.from_table(STREAM, pa.Table.from_batches([predictions(5000, outcomes=True)]), 0.0)
NOW = 1795435320.0  # 23 Nov 2026, 12:02 UTC
ROWS = 1000


def counted(**columns: object) -> Profile:
    """The profile of 1,000 rows without errors, two versions and two regions, with some columns replaced."""
    rows = predictions(ROWS, 3, outcomes=True)
    every = {name: rows.column(name) for name in rows.schema.names}
    every |= {"error": text([None] * ROWS), "latency_ms": pa.array(np.full(ROWS, 90.0))}
    every |= {name.replace("__", "."): value for name, value in columns.items()}
    batch = pa.RecordBatch.from_pydict(every)
    return merge([count(batch, BASELINE.layout), count_outcomes(batch, BASELINE.layout)])


def text(values: list[str | None]) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode()


VERSIONS = ["6", "7"] * (ROWS // 2)
REGIONS = ["eu", "eu", "us", "us"] * (ROWS // 4)
BEFORE = counted(version=text(VERSIONS), segments__region=text(REGIONS))


def failing(share: float, kind: str, where: list[str] | None = None, value: str = "") -> pa.Array:
    """Errors in that share of the rows whose place is `value`."""
    chance = np.random.default_rng(1).random(ROWS)
    hit = [where is None or where[row] == value for row in range(ROWS)]
    return text([kind if hit[row] and chance[row] < share else None for row in range(ROWS)])


def after(**columns: object) -> Profile:
    return counted(**{"version": text(VERSIONS), "segments__region": text(REGIONS), **columns})


def test_the_version_that_fails_is_named_with_its_error_and_the_other_is_said_to_be_unaffected() -> None:
    since = after(error=failing(0.31, "timeout", VERSIONS, "7"))
    found = locate("error_rate", BEFORE, since, 0.05)
    share = 100 * since.slices["version", "7"].tally("error")["timeout"] / 500
    assert found == (
        f"timeout in version 7, {share:.3g} % of its requests (0 % before); version 6 unaffected"
    )


def test_the_segment_that_fails_is_named_where_all_versions_fail_alike() -> None:
    found = locate("error_rate", BEFORE, after(error=failing(0.4, "OOM", REGIONS, "us")), 0.05)
    assert found.startswith("OOM in region us, ")
    assert found.endswith("; region eu unaffected")


def test_nobody_is_called_unaffected_where_all_fail() -> None:
    found = locate("error_rate", BEFORE, after(error=failing(0.4, "timeout")), 0.05)
    assert found.startswith("timeout, ")
    assert " of all requests (0 % before)" in found
    assert "unaffected" not in found


def test_the_slow_version_is_named_with_its_latency_before_and_since() -> None:
    slow = pa.array([820.0 if version == "7" else 90.0 for version in VERSIONS])
    found = locate("latency_p95", BEFORE, after(latency_ms=slow), 0.2)
    assert found == "p95 820 ms in version 7 (90 ms before); version 6 unaffected"


def test_the_region_that_lost_its_accuracy_is_named() -> None:
    rows = predictions(ROWS, 3, outcomes=True)
    answers = rows.column("prediction").cast(pa.string()).to_pylist()
    other = ["ok" if answer == "fraud" else "fraud" for answer in answers]
    right = text(answers)
    wrong = text([other[row] if REGIONS[row] == "us" else answers[row] for row in range(ROWS)])
    before = after(outcome__truth=right)
    found = locate("accuracy", before, after(outcome__truth=wrong), 0.9)
    assert found == "accuracy 0 % in region us (100 % before); region eu unaffected"


def test_a_later_error_type_beyond_the_limit_is_a_kind_of_its_own() -> None:
    errors = [None] * 800 + ["timeout"] * 120 + ["OOM"] * 79 + ["rare"]
    assert error_kinds(BEFORE, after(error=text(errors)), 0.05) == ("timeout", "OOM")


def test_a_column_is_told_with_what_moved_most() -> None:
    missing = pa.array([None] * 430 + [1.0] * (ROWS - 430), pa.float64())
    moved = pa.array(np.random.default_rng(2).normal(40, 1, ROWS))
    new = text(["XX"] * ROWS)
    words = {
        one.column: one.words
        for one in changes(
            BEFORE.overall,
            after(features__amount=missing, features__count=moved, features__country=new).overall,
        )
    }
    assert words["amount"].startswith("amount missing or not a number in 43 % of requests (")
    assert words["count"].startswith("count mean 40 (3")
    assert words["country"] == "country with a new value in 100 % of requests (0 % before)"
    assert changes(BEFORE.overall, BEFORE.overall) == []


@pytest.mark.parametrize("rows", [250, 500])
def test_rows_from_before_the_onset_do_not_dilute_what_changed_since(rows: int) -> None:
    """In the first minute, the profile mixes rows from before and since: 60 % missing is not told as 15 %."""
    rng = np.random.default_rng(5)
    missing = rng.random(ROWS) < np.where(np.arange(ROWS) >= ROWS - rows, 0.6, 0.066)
    amount = pa.array(rng.normal(0, 1, ROWS), mask=missing)
    mixed = after(features__amount=amount).overall
    found = {one.column: one.words for one in changes(BEFORE.overall, mixed, part=rows / ROWS)}
    match = re.fullmatch(
        r"amount missing or not a number in about ([\d.]+) % of requests \(.*\)", found["amount"]
    )
    assert match is not None
    assert float(match[1]) == pytest.approx(60, abs=12)


@given(seed=st.integers(0, 1000), part=st.sampled_from([0.06, 0.2, 1.0]))
@settings(max_examples=25, deadline=None)
def test_rows_like_before_are_no_change_however_few_came_since(seed: int, part: float) -> None:
    rows = predictions(300, seed)
    same = count(rows, BASELINE.layout)
    assert changes(BASELINE.profile.overall, same.overall, part=part) == []


def alert(**fields: object) -> Alert:
    usual = Alert(
        "f" * 16,
        "HighErrorRate",
        Severity.CRITICAL,
        STREAM,
        state=State.FIRING,
        fired_at=NOW,
        metric="error_rate",
        value=0.31,
        limit=0.05,
        unit="share",
    )
    return replace(usual, **fields)  # type: ignore[arg-type]


VERSION_6 = Version(STREAM, "6", NOW - 9 * 86400, NOW)
VERSION_7 = Version(STREAM, "7", NOW - 120, NOW)


def test_the_whole_sentence_with_the_new_version_as_the_possible_cause() -> None:
    since = after(error=failing(1.0, "timeout", VERSIONS, "7"))
    evidence = OnsetData(alert(), NOW - 60, BEFORE, since, since, (3600.0, 3600.0), (VERSION_6, VERSION_7))
    found = diagnose(evidence, [], NOW)
    assert found.what == (
        "timeout in version 7, 100 % of its requests (0 % before), since 12:01 UTC; version 6 unaffected"
    )
    assert found.causes == ("version 7 is serving since 12:00 UTC (before: 6)",)
    assert [name for name, _ in found.kinds] == ["timeout"]


def test_where_nothing_changed_before_no_cause_is_invented() -> None:
    since = after(error=failing(0.3, "timeout"))
    evidence = OnsetData(alert(), NOW - 60, BEFORE, since, since, (3600.0, 3600.0), (VERSION_6,))
    assert diagnose(evidence, [], NOW).causes == (NONE_FOUND,)
    assert diagnose(replace(evidence, before=None), [], NOW).causes == (), "nothing was looked at"


def test_an_alert_about_a_feature_says_how_it_changed_from_the_hour_before_or_the_baseline() -> None:
    one = alert(rule="InputOutOfRange", metric="out_of_range_share", instance=labels(feature="count"))
    since = after(features__count=pa.array(np.random.default_rng(2).normal(40, 1, ROWS)))
    evidence = OnsetData(one, NOW - 60, BEFORE, since, since, (3600.0, 3600.0), baseline=BASELINE.profile)
    found = diagnose(evidence, [], NOW)
    assert re.fullmatch(r"count mean 40 \([\d.]+ before\), since 12:01 UTC", found.what)
    assert "count" not in "".join(found.causes), "it is no cause of itself"
    assert diagnose(replace(evidence, before=None), [], NOW).what.startswith("count mean 40 (")
    assert diagnose(replace(evidence, before=None, baseline=None), [], NOW).what == ""
    same = replace(evidence, after=BEFORE, recent=BEFORE)
    assert diagnose(same, [], NOW).what == ""


def test_the_volume_of_a_loaded_past_is_no_cause_and_that_is_said() -> None:
    since = after(error=failing(0.3, "timeout"))
    evidence = OnsetData(alert(), NOW - 60, BEFORE, since, since, (3600.0, 60.0), (VERSION_6,))
    assert [one for one in diagnose(evidence, [], NOW).causes if one.startswith("the volume rose")]
    soon = replace(evidence, seconds=(120.0, evidence.seconds[1]))
    assert diagnose(soon, [], NOW).causes == (NONE_FOUND_SO_SOON,)
    assert diagnose(replace(evidence, is_live=False), [], NOW).causes == (NONE_FOUND_IN_A_PAST,)


def test_what_was_sent_while_it_was_made_is_live_and_a_loaded_past_is_not(tmp_path: Path) -> None:
    with running(tmp_path) as (log, store):
        send(log, RecordKind.PREDICTIONS, [prediction(timestamp=LOGGED - age) for age in range(300)])
        with store.read() as connection:
            assert stored.is_live(connection, STREAM, LOGGED - 600, LOGGED, 600)
            assert not stored.is_live(connection, STREAM, LOGGED - 7200, LOGGED - 3600, 600), "nothing came"
        log.append(
            split(
                STREAM, predictions(1).set_column(0, "timestamp", pa.array([int((LOGGED - 3000) * 1e6)])), 60
            )
        )
        with store.read() as connection:
            began = stored.live_since(connection, STREAM, LOGGED - 3600, LOGGED, 600)
        assert began == (LOGGED - 299) // 60 * 60, "a row of a loaded past is not when the traffic began"
        loaded = pa.array((np.arange(LOGGED - 7200, LOGGED - 3600, 10) * 1e6).astype(np.int64))
        rows = predictions(len(loaded)).set_column(0, "timestamp", loaded)
        log.append(split(STREAM, rows, 60))
        send(log, RecordKind.PREDICTIONS, [prediction(timestamp=LOGGED - 9000 - age) for age in range(300)])
        with store.read() as connection:
            assert not stored.is_live(connection, STREAM, LOGGED - 7200, LOGGED, 600)
            assert not stored.is_live(connection, STREAM, LOGGED - 10_000, LOGGED - 9000, 600), "it came late"


@pytest.mark.parametrize(
    ("versions", "is_named"),
    [
        ([VERSION_6, VERSION_7], True),
        ([VERSION_7], False),  # the first version of a model replaces none
        ([VERSION_6, replace(VERSION_7, first_seen=NOW - 7200)], False),
        ([VERSION_6, replace(VERSION_7, first_seen=NOW + 600)], False),
    ],
)
def test_a_version_is_a_possible_cause_only_if_it_came_shortly_before(
    versions: list[Version], is_named: bool
) -> None:
    assert bool(versions_before(versions, NOW - 60, NOW)) is is_named


def test_the_volume_is_a_possible_cause_if_it_doubled_or_halved() -> None:
    assert volume_changed(1.0, 3.1, 500, "error_rate") == ["the volume rose to 3.1/s (1/s before)"]
    assert volume_changed(1.0, 0.1, 500, "error_rate") == ["the volume fell to 6/min (60/min before)"]
    assert volume_changed(1.0, 1.9, 500, "error_rate") == []
    assert volume_changed(1.0, 3.1, 10, "error_rate") == []
    assert volume_changed(1.0, 3.1, 500, "throughput") == []


def test_other_models_with_the_same_alert_are_named() -> None:
    other = replace(alert(), stream=replace(STREAM, model="churn"), fingerprint="e")
    assert elsewhere(alert(), [alert(), other], NOW) == [
        "acme/churn has HighErrorRate since about the same time: what do they share?"
    ]
    assert elsewhere(alert(), [replace(other, fired_at=NOW - 7200)], NOW) == []


def test_models_of_other_clients_with_the_same_alert_are_counted_and_not_named() -> None:
    """Staff of one client, and channels of one client, read the causes."""
    churn = replace(alert(), stream=replace(STREAM, model="churn"), fingerprint="e")
    theirs = [
        replace(alert(), stream=replace(STREAM, client=f"globex{n}", model="price"), fingerprint=f"g{n}")
        for n in range(2)
    ]
    shared = "HighErrorRate since about the same time: what do they share?"
    assert elsewhere(alert(), theirs[:1], NOW) == [f"1 model of other clients has {shared}"]
    assert elsewhere(alert(), theirs, NOW) == [f"2 models of other clients have {shared}"]
    assert elsewhere(alert(), [churn, *theirs], NOW) == [
        f"acme/churn and 2 models of other clients have {shared}"
    ]


@given(
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=5),
    kind=st.text(min_size=1, max_size=80),
    limit=st.sampled_from([0.0, 0.05, 0.5]),
)
@settings(max_examples=40, deadline=None)
def test_whoever_is_called_unaffected_is_below_the_limit(
    shares: list[float], kind: str, limit: float
) -> None:
    """Whatever the versions, their shares and the error's text: no version that fails is called unaffected."""
    versions = [f"v{row % len(shares)}" for row in range(ROWS)]
    chance = np.random.default_rng(4).random(ROWS)
    errors = [kind if chance[row] < shares[row % len(shares)] else None for row in range(ROWS)]
    since = after(version=text(versions), error=text(errors))
    found = locate("error_rate", BEFORE, since, limit)
    assert "\n" not in found
    _, _, rest = found.rpartition("; ")
    for number in range(len(shares)):
        part = since.slices["version", f"v{number}"]
        if "unaffected" in rest and f"version v{number}" in rest:
            assert part.flag("errors") / part.rows <= max(limit, 0.005)


def test_an_alert_that_cannot_be_diagnosed_is_told_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> OnsetData:
        raise ValueError("a damaged profile")

    monkeypatch.setattr("monitor.alerts.diagnosis.load.gather", fails)
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    with store.read() as connection:
        found = diagnosed(connection, Evaluation([alert()]), {}, 60, NOW)
    assert found.alerts == [alert()]
    (fault,) = store.faults.active()
    assert (fault.part, fault.reason) == ("alerts", "ValueError: a damaged profile")
    store.close()


def test_a_new_episode_forgets_the_diagnosis_of_the_last_one(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    old = alert(episode=1, diagnosis=Diagnosis(NOW - 86400, NOW - 86400, "timeout in version 5"))
    with store.read() as connection:
        found = diagnosed(connection, Evaluation([replace(old, episode=2)]), {"f": old}, 60, NOW)
    (again,) = found.alerts
    assert again.diagnosis == Diagnosis(NOW, NOW)
    store.close()
