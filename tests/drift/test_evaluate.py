"""A stream in a real store: learned from, judged, explained, accepted."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import text

from monitor.drift import codec as drift_codec
from monitor.drift import evaluate as watching
from monitor.drift.acceptance import accept
from monitor.drift.evaluate import MOST_A_CALL, DriftStatus, evaluate
from monitor.drift.learning import LearningContext, LearningTask, prepare
from monitor.drift.settings import DriftSettings
from monitor.errors import NotFoundError
from monitor.records import Stream, Window
from monitor.store import drift as stored
from monitor.store import predictions, profiles
from monitor.store.db import Store, metadata
from monitor.store.predictions import NewBatch
from monitor.store.profiles import StoredProfile
from monitor.store.retention import delete_old, with_old
from monitor.windows import baseline, codec
from monitor.windows.kernel.count_rows import count
from tests.support.postgresql import postgresql

BASE, DAY = 1800, 86_400
START = 1_735_516_800
STREAM = Stream("acme", "fraud")
SETTINGS = DriftSettings()


def rows(
    rng: np.random.Generator, n: int = 120, shift: float = 0.0, country: str = "", version: str = "7"
) -> pa.RecordBatch:
    countries = rng.choice(["DE", "FR", "IT"], n)
    countries[: n // 10] = country or countries[: n // 10]
    return pa.RecordBatch.from_pydict(
        {
            "features.amount": rng.normal(shift, 1, n),
            "features.age": rng.integers(18, 80, n).astype(float),
            "features.country": pa.array(countries).dictionary_encode(),
            "prediction": pa.array(rng.choice(["fraud", "fine"], n, p=[0.1, 0.9])).dictionary_encode(),
            "confidence": rng.beta(5, 2, n),
            "version": pa.array([version] * n).dictionary_encode(),
        }
    )


@dataclass
class DriftScenario:
    """A store with a baseline, and a pen that writes windows."""

    store: Store
    rng: np.random.Generator
    at: int = START

    def write(self, seconds: float, shift: float = 0.0, country: str = "", version: str = "7") -> None:
        with self.store.write() as connection:
            found = baseline.load(connection, STREAM)
            assert found is not None
            for start in range(self.at, int(self.at + seconds), BASE):
                profile = count(rows(self.rng, shift=shift, country=country, version=version), found.layout)
                kept = StoredProfile(
                    Window(start, start + BASE), found.layout.id, profile.rows, codec.encode(profile)
                )
                profiles.put(connection, STREAM, [kept], float(start))
        self.at += int(seconds)

    def prepare(self, settings: DriftSettings = SETTINGS) -> bool:
        means = LearningContext(settings, BASE, self.at)
        return bool(prepare(self.store, [LearningTask(STREAM, self.at)], means))

    def watch(self, settings: DriftSettings = SETTINGS) -> DriftStatus:
        with self.store.write() as connection:
            return evaluate(connection, STREAM, settings, BASE, self.at, self.at)


def fresh(folder: Path) -> DriftScenario:
    return begun(Store(f"sqlite:///{folder}/state.db"))


def begun(store: Store) -> DriftScenario:
    metadata.create_all(store.engine)
    rng = np.random.default_rng(4)
    made = baseline.from_table(STREAM, pa.Table.from_batches([rows(rng, 5000)]), START)
    with store.write() as connection:
        baseline.save(connection, made, START)
    return DriftScenario(store, rng)


@pytest.fixture(params=["sqlite", "postgresql"])
def scenario_on_both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DriftScenario]:
    """A stream of which nothing came yet, in either database."""
    if request.param == "sqlite":
        made = fresh(tmp_path)
        yield made
        made.store.close()
        return
    with postgresql() as server:
        made = begun(Store(server.url))
        yield made
        made.store.close()


@pytest.fixture
def scenario(tmp_path: Path) -> Iterator[DriftScenario]:
    """A stream of which nothing came yet."""
    made = fresh(tmp_path)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def ten_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a stream with ten days of history, learned from."""
    folder = tmp_path_factory.mktemp("learned")
    made = fresh(folder)
    made.write(10 * DAY)
    assert made.prepare()
    assert not made.prepare()
    made.store.close()
    return folder / "state.db"


@pytest.fixture
def learned(ten_days: Path, tmp_path: Path) -> Iterator[DriftScenario]:
    """A copy of the learned stream."""
    shutil.copy(ten_days, tmp_path / "state.db")
    made = DriftScenario(Store(f"sqlite:///{tmp_path}/state.db"), np.random.default_rng(5), START + 10 * DAY)
    yield made
    made.store.close()


def significant(watched: DriftStatus) -> set[str]:
    return {verdict.column for verdict in watched.verdicts if verdict.significant}


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


def test_an_accepted_state_is_the_new_normal_and_is_recorded(learned: DriftScenario) -> None:
    learned.write(DAY, shift=1.5)
    assert significant(learned.watch())
    taken = accept(learned.store, STREAM, SETTINGS, BASE, START + 10 * DAY, learned.at, learned.at, "ann")
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


def test_accepting_what_was_never_learned_is_refused(scenario: DriftScenario) -> None:
    with pytest.raises(NotFoundError, match="no drift calibration"):
        accept(scenario.store, STREAM, SETTINGS, BASE, START, START, START, "ann")


def test_an_incident_names_the_version_that_came_just_before_and_the_feature_that_moved(
    learned: DriftScenario,
) -> None:
    learned.write(DAY)
    learned.watch()
    learned.write(3 * 3600, shift=2.0, version="8")
    watched = learned.watch()
    page = next(one.because for one in watched.measurements if one.label("scope") == "model")
    assert page.startswith("feature `amount`: the last 3h (since 2025-01-10T00:00:00Z) differ")
    assert "; likeliest causes: 1. version 8 began to answer" in page
    assert not any(one.because for one in watched.measurements if one.label("feature"))
    with learned.store.read() as connection:
        reason = stored.incidents(connection, STREAM)[0].reason
    first, second = reason.split("Likeliest causes:\n")[1].splitlines()[:2]
    assert first.startswith("1. version 8 began to answer")
    assert second.startswith("2. feature `amount`: values ")


def test_a_state_that_was_just_accepted_shows_no_evidence_before_its_first_window(
    learned: DriftScenario,
) -> None:
    learned.write(DAY, shift=1.5)
    learned.watch()
    accept(learned.store, STREAM, SETTINGS, BASE, START + 10 * DAY, learned.at, learned.at, "ann")
    (measurement,) = learned.watch().measurements
    assert (measurement.label("scope"), measurement.value) == ("model", 0.0)


def test_nothing_is_learned_while_rows_of_the_past_wait_to_be_counted(scenario: DriftScenario) -> None:
    scenario.write(8 * DAY)
    past = Window(START + 5 * DAY, START + 5 * DAY + BASE)
    with scenario.store.write() as connection:
        predictions.put(connection, [NewBatch(STREAM, past, 1, past.start, b"digest", b"", b"")], scenario.at)
    assert not scenario.prepare()


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
