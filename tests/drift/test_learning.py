"""Learning a stream's past, and accepting another state as normal."""

import pytest

from monitor.drift import codec as drift_codec
from monitor.drift import evaluate as watching
from monitor.drift.acceptance import accept
from monitor.drift.settings import DriftSettings
from monitor.errors import NotFoundError
from monitor.records import Window
from monitor.store import drift as stored
from monitor.store import predictions
from monitor.store.predictions import NewBatch
from tests.support.drift_scenario import BASE, DAY, SETTINGS, START, STREAM, DriftScenario, significant


def test_an_accepted_state_is_the_new_normal_and_is_recorded(learned: DriftScenario) -> None:
    learned.write(DAY, shift=1.5)
    assert significant(learned.watch())
    taken = accept(
        learned.store, STREAM, SETTINGS, BASE, START + 10 * DAY, learned.at, learned.at, "ann", address="here"
    )
    assert taken == 48
    learned.write(2 * DAY, shift=1.5)
    assert not significant(learned.watch())
    with learned.store.read() as connection:
        assert stored.acceptances(connection, STREAM) == [(learned.at - 2 * DAY, START + 10 * DAY, "ann")]
        assert all(incident.closed is not None for incident in stored.incidents(connection, STREAM))
    learned.write(DAY, shift=0.0)
    assert "features.amount" in significant(learned.watch())


def test_less_than_a_week_goes_to_the_digest_only_and_says_until_when(scenario: DriftScenario) -> None:
    scenario.write(4 * DAY)
    assert scenario.prepare()
    scenario.write(DAY, shift=2.0)
    watched = scenario.watch()
    assert "features.amount" in significant(watched)
    assert [measurement.value for measurement in watched.measurements] == [None]
    assert "digest only" in watched.note
    assert "2025-01-06" in watched.measurements[0].reason


def test_before_a_hundred_windows_nothing_is_judged(scenario: DriftScenario) -> None:
    scenario.write(DAY)
    assert not scenario.prepare()
    assert "100 windows" in scenario.watch().note


def test_accepting_what_was_never_learned_is_refused(scenario: DriftScenario) -> None:
    with pytest.raises(NotFoundError, match="no drift calibration"):
        accept(scenario.store, STREAM, SETTINGS, BASE, START, START, START, "ann", address="here")


def test_a_state_that_was_just_accepted_shows_no_evidence_before_its_first_window(
    learned: DriftScenario,
) -> None:
    learned.write(DAY, shift=1.5)
    learned.watch()
    accept(
        learned.store, STREAM, SETTINGS, BASE, START + 10 * DAY, learned.at, learned.at, "ann", address="here"
    )
    (measurement,) = learned.watch().measurements
    assert (measurement.label("scope"), measurement.value) == ("model", 0.0)


def test_nothing_is_learned_while_rows_of_the_past_wait_to_be_counted(scenario: DriftScenario) -> None:
    scenario.write(8 * DAY)
    past = Window(START + 5 * DAY, START + 5 * DAY + BASE)
    with scenario.store.write() as connection:
        predictions.put(connection, [NewBatch(STREAM, past, 1, past.start, b"digest", b"", b"")], scenario.at)
    assert not scenario.prepare()


def test_rows_of_the_window_that_is_still_open_hold_nothing_back(scenario: DriftScenario) -> None:
    scenario.write(8 * DAY)
    scenario.at += BASE // 2
    present = Window(START + 8 * DAY, START + 8 * DAY + BASE)
    with scenario.store.write() as connection:
        predictions.put(
            connection, [NewBatch(STREAM, present, 1, present.start, b"digest", b"", b"")], scenario.at
        )
    assert scenario.prepare()


def test_what_another_version_learned_is_learned_anew_and_meanwhile_not_judged(
    learned: DriftScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned.write(DAY)
    monkeypatch.setattr(watching, "_is_readable", drift_codec.is_current)  # without its cache
    monkeypatch.setattr(drift_codec, "VERSION", drift_codec.VERSION + 1)
    assert learned.watch().measurements[0].value is None
    assert learned.prepare()
    learned.write(DAY)
    assert learned.watch().judged == 48


def test_another_smallest_effect_is_learned_anew(learned: DriftScenario) -> None:
    assert not learned.prepare()
    assert learned.prepare(DriftSettings(min_effect=0.3))
