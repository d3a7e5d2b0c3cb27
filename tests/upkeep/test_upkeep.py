"""What is seen to between ticks: baselines, rules read anew, old rows forgotten."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from monitor.errors import ConfigError, Problem
from monitor.predictions.settings import PredictionSettings
from monitor.records import Window
from monitor.rules.rule import RuleSet
from monitor.store import predictions, profiles, timeseries
from monitor.store.settings import StoreSettings
from monitor.upkeep.baselines import Baselines, accepted
from monitor.upkeep.housekeeping import forget
from monitor.upkeep.reloading import Reloading
from monitor.windows import baseline
from monitor.windows.rolling import Rolling
from monitor.windows.settings import BaselineSettings, WindowSettings
from tests.support.log import NOW, STREAM
from tests.support.world import MINUTE, World, world

DAY = 86400.0


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as fresh:
        yield fresh


def keeper(daemon: World, **settings: object) -> Baselines:
    named = {STREAM: BaselineSettings.model_validate(settings)}
    return Baselines(daemon.store, MINUTE, WindowSettings(), named)


def source(daemon: World) -> str | None:
    with daemon.store.read() as connection:
        found = baseline.load(connection, STREAM)
    return None if found is None else found.source


def training_set(folder: Path, rows: int = 500) -> Path:
    path = folder / "training.parquet"
    pq.write_table(pa.table({"amount": [float(n % 50) for n in range(rows)]}), path)
    return path


def test_a_named_file_is_in_force_before_anything_came_in_and_a_changed_one_replaces_it(
    daemon: World, tmp_path: Path
) -> None:
    path = training_set(tmp_path)
    keeper(daemon, file=path).keep_up(NOW)
    first = source(daemon)
    assert first is not None
    assert first.startswith(str(path))
    training_set(tmp_path, rows=5000)
    keeper(daemon, file=path).keep_up(NOW)
    assert source(daemon) != first


def test_a_baseline_that_somebody_chose_is_not_replaced_by_the_file(daemon: World, tmp_path: Path) -> None:
    path = training_set(tmp_path)
    keeping = keeper(daemon, file=path)
    keeping.put_in_force(accepted(baseline.from_file(STREAM, path, NOW), "by hand"), NOW)
    keeping.keep_up(NOW)
    assert source(daemon) == "accepted: by hand"


def test_without_a_file_the_first_day_becomes_the_baseline(daemon: World) -> None:
    keeping = keeper(daemon, rows=100)
    daemon.predict(150, features={"amount": 3.5})
    keeping.keep_up(daemon.clock.advance(DAY / 2))
    assert source(daemon) is None
    keeping.keep_up(daemon.clock.advance(DAY / 2 + 1))
    assert source(daemon) == "the predictions until 2026-11-24T08:00:01Z"


def test_a_past_that_was_loaded_becomes_the_baseline_at_once_and_its_span_is_that_of_its_rows(
    daemon: World,
) -> None:
    keeping = keeper(daemon, rows=100)
    daemon.predict(150, at=NOW - 9 * DAY, features={"amount": 3.5})
    keeping.keep_up(daemon.clock.advance(60))
    assert source(daemon) is None, "rows of one minute are no past"
    daemon.predict(150, features={"amount": 3.5})
    keeping.keep_up(daemon.clock.advance(60))
    with daemon.store.read() as connection:
        made = baseline.load(connection, STREAM)
    assert made is not None
    assert made.span is not None
    assert made.span.start == NOW - 9 * DAY
    assert made.span.seconds == 9 * DAY + 2 * MINUTE


def test_one_row_with_a_wrong_time_makes_no_past(daemon: World) -> None:
    keeping = keeper(daemon, rows=100)
    daemon.predict(1, at=NOW - 9 * DAY)
    daemon.predict(150)
    keeping.keep_up(daemon.clock.advance(60))
    assert source(daemon) is None


def test_a_file_that_cannot_be_read_stops_nothing_and_is_told_once(
    daemon: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "broken.parquet"
    path.write_text("not a parquet file")
    keeping = keeper(daemon, file=path)
    keeping.keep_up(NOW)
    keeping.keep_up(NOW + 30)
    assert source(daemon) is None
    assert caplog.text.count("no new baseline for acme/fraud/production") == 1


def test_what_is_older_than_its_retention_is_forgotten_and_nothing_else(daemon: World) -> None:
    daemon.predict(10, at=NOW - 2 * DAY)
    daemon.predict(7)
    daemon.count()
    kept = PredictionSettings(retention=DAY)
    forget(daemon.store, StoreSettings(), kept, WindowSettings(), NOW)
    with daemon.store.read() as connection:
        assert predictions.count_rows(connection, STREAM) == 7
    assert forget(daemon.store, StoreSettings(), kept, WindowSettings(), NOW) == 0


def test_hours_stay_when_the_minutes_they_are_made_of_are_forgotten(daemon: World) -> None:
    for _ in range(70):
        daemon.predict(3)
        daemon.clock.advance(MINUTE)
        daemon.look()
    now = daemon.clock.now()

    def kept() -> tuple[int, int, set[int]]:
        with daemon.store.read() as connection:
            minutes, hours = (
                len(timeseries.load(connection, STREAM, "volume", length, NOW - 3600, now).starts)
                for length in (MINUTE, 3600)
            )
            lengths = set(connection.scalars(select(profiles.PROFILES.c.seconds).distinct()))
        return minutes, hours, lengths

    minutes, hours, lengths = kept()
    assert minutes > 60
    assert hours >= 1
    assert lengths > {MINUTE}
    settings = WindowSettings(fine_retention=DAY)
    forget(daemon.store, StoreSettings(), PredictionSettings(), settings, now + DAY / 2)
    assert kept() == (minutes, hours, lengths)
    forget(daemon.store, StoreSettings(), PredictionSettings(), settings, now + 2 * DAY)
    assert kept() == (0, hours, {MINUTE})
    with daemon.store.read() as connection:  # the sums are made again
        assert (
            Rolling(connection, MINUTE, settled=now).profile(STREAM, Window(int(NOW), int(now))).rows == 210
        )


def test_rules_are_read_anew_only_when_asked() -> None:
    read: list[RuleSet] = []

    def reader() -> RuleSet:
        read.append(RuleSet())
        return read[-1]

    reloading = Reloading(reader)
    reloading.rules()
    assert len(read) == 1
    reloading.ask()
    assert reloading.rules() is read[1]
    assert not reloading.failed


def test_new_rules_with_mistakes_leave_the_old_ones_in_force_and_say_so() -> None:
    good = RuleSet()
    answers: list[RuleSet | ConfigError] = [
        good,
        ConfigError([Problem("mine.yaml", 3, 1, "alert", "is required")]),
        good,
    ]

    def reader() -> RuleSet:
        answer = answers.pop(0)
        if isinstance(answer, ConfigError):
            raise answer
        return answer

    reloading = Reloading(reader)
    reloading.ask()
    assert reloading.rules() is good
    assert reloading.failed
    assert reloading.problems == ("mine.yaml:3:1: error: alert: is required",)
    reloading.ask()
    reloading.rules()
    assert not reloading.failed
