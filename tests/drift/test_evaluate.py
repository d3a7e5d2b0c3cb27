"""A stream in a real store: judged window by window, and explained."""

from datetime import date

import pytest
from sqlalchemy import text

from monitor.drift.acceptance import accept
from monitor.drift.evaluate import MOST_A_CALL, DriftStatus, evaluate
from monitor.drift.settings import DriftSettings
from monitor.records import Window
from monitor.store import drift as stored
from monitor.store import predictions, uncounted_batches
from monitor.store.predictions import NewBatch
from monitor.store.retention import delete_old, with_old
from tests.support.drift_scenario import BASE, DAY, SETTINGS, START, STREAM, DriftScenario, significant


def test_a_stream_is_learned_then_watched_in_silence_until_a_feature_moves(learned: DriftScenario) -> None:
    learned.write(DAY)
    watched = learned.watch()
    assert watched.judged == 48
    assert {measurement.label("feature") for measurement in watched.measurements} == {
        "amount",
        "age",
        "country",
        "",
    }
    assert all(measurement.value < 1 for measurement in watched.measurements if measurement.value is not None)

    learned.write(6 * 3600, shift=1.5)
    watched = learned.watch()
    assert "features.amount" in significant(watched)
    over = {m.label("feature") for m in watched.measurements if m.value is not None and m.value >= 1}
    assert "amount" in over
    said = next(verdict.reason for verdict in watched.verdicts if verdict.column == "features.amount")
    assert "feature `amount`" in said
    assert "1 false alarm in 30 days" in said


def test_a_tick_without_a_newly_closed_window_says_the_same_again(learned: DriftScenario) -> None:
    learned.write(3 * 3600, shift=2.0)
    first, second = learned.watch(), learned.watch()
    assert first.judged == 6
    assert second.judged == 0
    assert second.verdicts == first.verdicts
    assert second.measurements == first.measurements


def test_a_window_waits_until_all_its_rows_are_counted(learned: DriftScenario) -> None:
    third = Window(learned.at + 2 * BASE, learned.at + 3 * BASE)
    learned.write(5 * BASE)
    with learned.store.write() as connection:
        predictions.put(
            connection, [NewBatch(STREAM, third, 1, third.start, b"digest", b"", b"")], learned.at
        )
    assert [learned.watch().judged, learned.watch().judged] == [2, 0]
    with learned.store.write() as connection:
        waiting = uncounted_batches.oldest(connection, STREAM).batches
        predictions.mark_counted(connection, [batch.id for batch in waiting])
    assert learned.watch().judged == 3


def test_late_rows_of_an_evaluated_window_hold_nothing_back(learned: DriftScenario) -> None:
    first = Window(learned.at, learned.at + BASE)
    learned.write(BASE)
    assert learned.watch().judged == 1
    with learned.store.write() as connection:
        predictions.put(
            connection, [NewBatch(STREAM, first, 1, first.start, b"digest", b"", b"")], learned.at
        )
    learned.write(BASE)
    assert learned.watch().judged == 1


def test_one_incident_is_open_while_features_join_it(learned: DriftScenario) -> None:
    learned.write(6 * 3600, shift=1.5)
    learned.watch()
    learned.write(3 * 3600, shift=1.5, country="XX")
    learned.watch()
    with learned.store.read() as connection:
        found = stored.incidents(connection, STREAM)
    assert len(found) == 1
    assert {"features.amount", "features.country"} <= set(found[0].columns)
    assert abs(found[0].since - (START + 10 * DAY)) <= 2 * BASE


def test_a_quiet_stream_is_judged_and_never_measured(learned: DriftScenario) -> None:
    quiet = DriftSettings(quiet=True)
    learned.write(DAY, shift=2.0)
    watched = learned.watch(quiet)
    assert significant(watched)
    assert watched.measurements[0].value is None


def test_special_days_are_not_judged(learned: DriftScenario) -> None:
    settings = DriftSettings(special_days=(date(2025, 1, 9),))
    learned.write(DAY, shift=2.0)
    assert not significant(learned.watch(settings))
    learned.write(DAY, shift=2.0)
    assert significant(learned.watch(settings))


def test_judging_window_by_window_or_all_at_once_ends_the_same(learned: DriftScenario) -> None:
    for _ in range(6):
        learned.write(BASE, shift=0.4)
        watched = learned.watch()
    with learned.store.write() as connection:
        kept = stored.state(connection, STREAM)
        stored.delete_state(connection, STREAM)
    assert learned.watch().verdicts == watched.verdicts
    with learned.store.read() as connection:
        assert stored.state(connection, STREAM) == kept


def test_an_incident_names_the_version_that_came_just_before_and_the_feature_that_moved(
    learned: DriftScenario,
) -> None:
    learned.write(DAY)
    learned.watch()
    learned.write(3 * 3600, shift=2.0, version="8")
    watched = learned.watch()
    page = next(one.because for one in watched.measurements if one.label("scope") == "model")
    assert page.startswith(
        "feature `amount`: the last 3h (since 2025-01-10T00:00:00Z, between 2025-01-09T23:30:00Z and "
        "2025-01-10T00:30:00Z) differ"
    )
    assert "; likeliest causes: 1. version 8 began to answer" in page
    assert not any(one.because for one in watched.measurements if one.label("feature"))
    with learned.store.read() as connection:
        reason = stored.incidents(connection, STREAM)[0].reason
    first, second = reason.split("Likeliest causes:\n")[1].splitlines()[:2]
    assert first.startswith("1. version 8 began to answer")
    assert second.startswith("2. feature `amount`: values ")


def test_a_stream_of_which_no_window_closed_yet_is_not_judged(learned: DriftScenario) -> None:
    with learned.store.write() as connection:
        watched = evaluate(connection, STREAM, SETTINGS, BASE, float("-inf"), learned.at)
    assert watched.measurements[0].value is None


def test_one_measurement_stands_for_the_model_and_stays_above_the_limit_while_the_incident_is_open(
    learned: DriftScenario,
) -> None:
    def of_model(watched: DriftStatus) -> float:
        return max(m.value or 0.0 for m in watched.measurements if m.label("scope") == "model")

    learned.write(6 * 3600)
    assert of_model(learned.watch()) < 1
    learned.write(6 * 3600, shift=1.5)
    assert of_model(learned.watch()) > 1
    learned.write(BASE)
    assert of_model(learned.watch()) > 1
    learned.write(4 * DAY)
    assert of_model(learned.watch()) < 1
    with learned.store.read() as connection:
        found = stored.incidents(connection, STREAM)
    assert len(found) == 1
    assert found[0].closed is not None


def test_the_life_of_an_incident_is_the_same_in_both_databases(scenario_on_both: DriftScenario) -> None:
    scenario_on_both.write(8 * DAY)
    assert scenario_on_both.prepare()
    scenario_on_both.write(6 * 3600, shift=1.5)
    assert "features.amount" in significant(scenario_on_both.watch())
    with scenario_on_both.store.read() as connection:
        opened = stored.incidents(connection, STREAM)[0]
        told = stored.verdicts(connection, STREAM, START, scenario_on_both.at)
        assert opened.closed is None
        assert any("feature `amount`" in one.reason for one in told)
    taken = accept(
        scenario_on_both.store,
        STREAM,
        SETTINGS,
        BASE,
        START + 8 * DAY,
        scenario_on_both.at,
        scenario_on_both.at,
        "ann",
        address="here",
    )
    assert taken == 12
    scenario_on_both.write(6 * 3600, shift=1.5)
    assert not significant(scenario_on_both.watch())
    with scenario_on_both.store.write() as connection:
        (closed,) = stored.incidents(connection, STREAM)
        assert closed.closed is not None
        assert stored.acceptances(connection, STREAM)[0][2] == "ann"
        assert stored.delete_before(connection, scenario_on_both.at + 1) > 0
        assert not stored.incidents(connection, STREAM)
        old = with_old(connection, stored.AGED_VERDICTS, scenario_on_both.at + 1)
        assert delete_old(connection, stored.AGED_VERDICTS, old, scenario_on_both.at + 1) > 0


def test_a_fleets_budget_is_shared_so_each_limit_is_higher(learned: DriftScenario) -> None:
    learned.write(3600)
    fleet = DriftSettings(scope="fleet")
    alone = {one.column: one.limit for one in learned.watch().verdicts}
    with learned.store.write() as connection:
        stored.delete_state(connection, STREAM)
        watched = evaluate(connection, STREAM, fleet, BASE, learned.at, learned.at, models=10)
    assert {one.column: pytest.approx(one.limit / 10) for one in watched.verdicts} == alone


def test_an_incident_closes_six_quiet_windows_after_the_change_ended_and_not_before(
    learned: DriftScenario,
) -> None:
    learned.write(6 * 3600, shift=1.5)
    learned.watch()
    closed_after = 0
    for window in range(1, 4 * DAY // BASE):
        learned.write(BASE)
        learned.watch()
        with learned.store.read() as connection:
            if stored.incidents(connection, STREAM)[0].closed is not None:
                closed_after = window
                break
    assert 6 <= closed_after <= 48


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("drift_states.judged_until", -4.0e18),
        ("drift_states.judged_until", -1e10),
        ("drift_states.judged_until", 4.0e18),
        ("drift_calibrations.end", 4.0e18),
    ],
)
def test_a_damaged_time_neither_makes_windows_without_end_nor_ends_the_watch(
    learned: DriftScenario, column: str, value: float
) -> None:
    learned.write(DAY)
    learned.watch()
    table, name = column.split(".")
    with learned.store.write() as connection:
        connection.execute(text(f'UPDATE {table} SET "{name}" = :value'), {"value": value})
    learned.prepare()
    learned.write(DAY // 4, shift=2.0)
    watched = learned.watch()
    assert watched.judged <= MOST_A_CALL
    assert "features.amount" in significant(watched)


def test_a_drift_that_goes_on_does_not_hide_another(learned: DriftScenario) -> None:
    def of_wave(watched: DriftStatus) -> list[tuple[float | None, str]]:
        return [(m.value, m.because) for m in watched.measurements if m.label("scope") == "wave 2"]

    learned.write(6 * 3600, shift=1.5)
    assert of_wave(learned.watch()) == [], "one drift is one alert"
    learned.write(2 * DAY, shift=1.5)
    learned.watch()
    learned.write(6 * 3600, shift=1.5, older=30.0)
    ((value, because),) = of_wave(learned.watch())
    assert value is not None
    assert value > 1
    assert because.startswith("this began while another drift was open: feature `age`")
    learned.write(4 * DAY, shift=1.5)
    assert of_wave(learned.watch()) == [(0.0, "")], "the second is over while the first goes on"
