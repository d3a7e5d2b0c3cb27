"""Baselines as the configuration names them, or from the first predictions of a stream."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import event

from monitor.expressions.expression import compile_expression
from monitor.maintenance.baseline_selection import BaselineSelector, accepted
from monitor.metrics.declared import custom_metrics
from monitor.windows import baseline
from monitor.windows.declared.baseline_definitions import DeclaredBaseline
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.seasonal_naive import SeasonLength
from monitor.windows.settings import BaselineSettings, WindowSettings
from tests.support.log import NOW, STREAM
from tests.support.measuring import MINUTE, MeasuringDaemon, measuring_daemon

DAY = 86400.0


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[MeasuringDaemon]:
    with measuring_daemon(tmp_path) as fresh:
        yield fresh


def keeper(daemon: MeasuringDaemon, **settings: object) -> BaselineSelector:
    named = {STREAM: BaselineSettings.model_validate(settings)}
    return BaselineSelector(daemon.store, MINUTE, WindowSettings(), named)


def source(daemon: MeasuringDaemon) -> str | None:
    with daemon.store.read() as connection:
        found = baseline.load(connection, STREAM)
    return None if found is None else found.source


def training_set(folder: Path, rows: int = 500) -> Path:
    path = folder / "training.parquet"
    pq.write_table(pa.table({"amount": [float(n % 50) for n in range(rows)]}), path)
    return path


def test_a_named_file_is_in_force_before_anything_came_in_and_a_changed_one_replaces_it(
    daemon: MeasuringDaemon, tmp_path: Path
) -> None:
    path = training_set(tmp_path)
    keeper(daemon, file=path).update(NOW)
    first = source(daemon)
    assert first is not None
    assert first.startswith(str(path))
    training_set(tmp_path, rows=5000)
    keeper(daemon, file=path).update(NOW)
    assert source(daemon) != first


def test_a_file_is_read_again_when_what_is_declared_changes(daemon: MeasuringDaemon, tmp_path: Path) -> None:
    path = training_set(tmp_path)
    named = {STREAM: BaselineSettings.model_validate({"file": path})}
    made = []
    for text in ("mean(features.amount)", "mean(features.amount)", "mean(features.amount * 2)"):
        metric = CustomMetric("size", compile_expression(text))
        keeping = BaselineSelector(
            daemon.store,
            MINUTE,
            WindowSettings(),
            named,
            declared=lambda _, one=metric: DeclaredBaseline.of([one]),
        )
        keeping.update(NOW)
        with daemon.store.read() as connection:
            found = baseline.load(connection, STREAM)
        assert found is not None
        made.append(found.source)
        assert custom_metrics.figure(metric, found.profile.overall)[0] == (49 if "2" in text else 24.5)
    assert made[0] == made[1] != made[2]


def test_a_baseline_of_a_period_counts_what_is_declared(daemon: MeasuringDaemon) -> None:
    daemon.predict(150, features={"amount": 3.5})
    off = CustomMetric("size", compile_expression("sum(features.amount)"))
    with daemon.store.read() as connection:
        made = baseline.from_period(
            connection, STREAM, 0, 2 * NOW, NOW, declared=DeclaredBaseline.of([off], SeasonLength(DAY))
        )
    assert custom_metrics.figure(off, made.profile.overall)[0] == pytest.approx(150 * 3.5)


def test_a_baseline_that_somebody_chose_is_not_replaced_by_the_file(
    daemon: MeasuringDaemon, tmp_path: Path
) -> None:
    path = training_set(tmp_path)
    keeping = keeper(daemon, file=path)
    keeping.put_in_force(accepted(baseline.from_file(STREAM, path, NOW), "by hand"), NOW)
    keeping.update(NOW)
    assert source(daemon) == "accepted: by hand"


def test_without_a_file_the_first_day_becomes_the_baseline(daemon: MeasuringDaemon) -> None:
    keeping = keeper(daemon, rows=100)
    daemon.predict(150, features={"amount": 3.5})
    keeping.update(daemon.clock.advance(DAY / 2))
    assert source(daemon) is None
    keeping.update(daemon.clock.advance(DAY / 2 + 1))
    assert source(daemon) == "the predictions until 2026-11-24T08:00:01Z"


def test_a_past_that_was_loaded_becomes_the_baseline_at_once_and_its_span_is_that_of_its_rows(
    daemon: MeasuringDaemon,
) -> None:
    keeping = keeper(daemon, rows=100)
    daemon.predict(150, at=NOW - 9 * DAY, features={"amount": 3.5})
    keeping.update(daemon.clock.advance(60))
    assert source(daemon) is None, "rows of one minute are no past"
    daemon.predict(150, features={"amount": 3.5})
    keeping.update(daemon.clock.advance(60))
    with daemon.store.read() as connection:
        made = baseline.load(connection, STREAM)
    assert made is not None
    assert made.span is not None
    assert made.span.start == NOW - 9 * DAY
    assert made.span.seconds == 9 * DAY + 2 * MINUTE


def test_the_baseline_of_a_loaded_past_waits_for_its_outcomes(daemon: MeasuringDaemon) -> None:
    keeping = keeper(daemon, rows=100)
    daemon.predict(150, at=NOW - 9 * DAY, features={"amount": 3.5})
    daemon.predict(150, features={"amount": 3.5})
    daemon.send_outcomes(*(f"p{number}" for number in range(250)), truth="ok")
    keeping.update(daemon.clock.advance(60))
    assert source(daemon) is None, "its truths would be missing"
    daemon.count()
    keeping.update(daemon.clock.advance(60))
    with daemon.store.read() as connection:
        made = baseline.load(connection, STREAM)
    assert made is not None
    assert made.profile.overall.flag("truths") == 250, "the baseline knows the truths"


def test_outcomes_that_are_never_matched_hold_up_no_baseline_for_longer_than_a_day(
    daemon: MeasuringDaemon,
) -> None:
    keeping = keeper(daemon, rows=100)
    daemon.predict(150)
    daemon.send_outcomes(*(f"p{number}" for number in range(150)), truth="ok")
    keeping.update(daemon.clock.advance(DAY + 1))
    assert source(daemon) is not None


def test_one_row_with_a_wrong_time_makes_no_past(daemon: MeasuringDaemon) -> None:
    keeping = keeper(daemon, rows=100)
    daemon.predict(1, at=NOW - 9 * DAY)
    daemon.predict(150)
    keeping.update(daemon.clock.advance(60))
    assert source(daemon) is None


def test_a_file_that_cannot_be_read_stops_nothing_and_is_told_once(
    daemon: MeasuringDaemon, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "broken.parquet"
    path.write_text("not a parquet file")
    keeping = keeper(daemon, file=path)
    keeping.update(NOW)
    keeping.update(NOW + 30)
    assert source(daemon) is None
    assert caplog.text.count("no new baseline for acme/fraud/production") == 1


def test_looking_for_baselines_to_make_takes_as_many_queries_of_many_models_as_of_few(
    daemon: MeasuringDaemon,
) -> None:
    known = baseline.from_table(STREAM, pa.table({"amount": [float(n) for n in range(99)]}), NOW)
    asked: list[str] = []

    @event.listens_for(daemon.store.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    selector, numbers = keeper(daemon), []
    for models in (3, 60):
        with daemon.store.write() as connection:
            for number in range(models):
                baseline.save(connection, replace(known, stream=replace(STREAM, model=f"m{number}")), NOW)
        selector.update(NOW)  # which looks once whether all are counted by their baseline
        asked.clear()
        selector.update(NOW + 1)
        numbers.append(len(asked))
    assert 0 < numbers[0] == numbers[1]
