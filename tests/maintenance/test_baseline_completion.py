"""Baselines get what is declared after they were made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.expressions.expression import compile_expression
from monitor.maintenance.baseline_selection import BaselineSelector, accepted
from monitor.metrics.declared import custom_metrics
from monitor.store import predictions
from monitor.windows import baseline
from monitor.windows.baseline import Baseline
from monitor.windows.declared.baseline_definitions import DeclaredBaseline
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.seasonal_naive import ERROR, PAIRS, SeasonLength
from monitor.windows.declared.tally_labels import ROWS
from monitor.windows.settings import BaselineSettings, WindowSettings
from tests.support.log import NOW, STREAM
from tests.support.measuring import MINUTE, MeasuringDaemon, measuring_daemon

DAY = 86400.0
SIZE = CustomMetric("size", compile_expression("mean(features.amount)"))
DOUBLE = CustomMetric("size", compile_expression("mean(features.amount * 2)"))
RIGHT = CustomMetric("right", compile_expression("mean(prediction == truth)"))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[MeasuringDaemon]:
    with measuring_daemon(tmp_path) as fresh:
        yield fresh


def restarted(
    daemon: MeasuringDaemon, *metrics: CustomMetric, season: SeasonLength | None = None
) -> BaselineSelector:
    """What keeps baselines, of a daemon with this configuration."""
    named = {STREAM: BaselineSettings(rows=100)}
    declared = DeclaredBaseline.of(metrics, season)
    return BaselineSelector(daemon.store, MINUTE, WindowSettings(), named, declared=lambda _: declared)


def loaded(daemon: MeasuringDaemon) -> Baseline:
    with daemon.store.read() as connection:
        made = baseline.load(connection, STREAM)
    assert made is not None
    return made


def rows_of(made: Baseline, metric: CustomMetric) -> float:
    return made.profile.overall.tally(metric.tally).get(ROWS, 0.0)


def first_baseline(daemon: MeasuringDaemon, *metrics: CustomMetric) -> Baseline:
    daemon.predict(150, features={"amount": 3.5}, prediction="ok")
    daemon.send_outcomes(*(f"p{number}" for number in range(150)), truth="ok")
    daemon.count()
    restarted(daemon, *metrics).update(daemon.clock.advance(DAY + 1))
    return loaded(daemon)


def test_a_metric_that_is_added_is_counted_from_the_rows_of_the_baseline(daemon: MeasuringDaemon) -> None:
    before = first_baseline(daemon, SIZE)
    daemon.predict(150, features={"amount": 100.0}, prediction="bad")
    restarted(daemon, SIZE, DOUBLE, RIGHT).update(daemon.clock.advance(60))
    after = loaded(daemon)
    assert [rows_of(after, one) for one in (SIZE, DOUBLE, RIGHT)] == [150, 150, 150]
    assert custom_metrics.figure(DOUBLE, after.profile.overall)[0] == pytest.approx(7)
    assert custom_metrics.figure(RIGHT, after.profile.overall)[0] == 1
    assert (after.layout.id, after.source, after.span) == (before.layout.id, before.source, before.span)
    assert after.profile.overall.rows == before.profile.overall.rows


def test_nothing_else_changes_and_nothing_is_learned_again(daemon: MeasuringDaemon) -> None:
    before = first_baseline(daemon)
    keeping = restarted(daemon, SIZE)
    keeping.update(daemon.clock.advance(60))
    assert keeping.new(daemon.clock.now()) == []
    after = loaded(daemon)
    assert (after.profile.overall.kept == before.profile.overall.kept).all()
    again = restarted(daemon, SIZE)
    again.update(daemon.clock.advance(60))
    assert loaded(daemon).digest == after.digest


def test_where_the_rows_lack_a_column_later_ones_are_taken_as_soon_as_they_are_enough(
    daemon: MeasuringDaemon,
) -> None:
    first_baseline(daemon)
    refunds = CustomMetric("refunds", compile_expression("mean(features.refunded)"))
    keeping = restarted(daemon, refunds)
    keeping.update(daemon.clock.advance(60))
    assert rows_of(loaded(daemon), refunds) == 0
    daemon.predict(80, features={"amount": 3.5, "refunded": 1.0})
    keeping.update(daemon.clock.advance(DAY + 1))
    assert rows_of(loaded(daemon), refunds) == 80
    daemon.predict(80, features={"amount": 3.5, "refunded": 0.0})
    keeping.update(daemon.clock.advance(60))
    assert rows_of(loaded(daemon), refunds) == 80, "not at each tick"
    keeping.update(daemon.clock.advance(DAY + 1))
    made = loaded(daemon)
    assert rows_of(made, refunds) == 160
    assert custom_metrics.figure(refunds, made.profile.overall)[0] == pytest.approx(0.5)


def test_where_the_rows_are_deleted_the_newest_are_taken(daemon: MeasuringDaemon) -> None:
    first_baseline(daemon)
    with daemon.store.write() as connection:
        connection.execute(predictions.BATCHES.delete())
    restarted(daemon, SIZE).update(daemon.clock.advance(60))
    assert rows_of(loaded(daemon), SIZE) == 0
    daemon.predict(120, features={"amount": 5.0})
    restarted(daemon, SIZE).update(daemon.clock.advance(60))
    assert custom_metrics.figure(SIZE, loaded(daemon).profile.overall)[0] == pytest.approx(5)


def test_one_that_a_person_accepted_is_completed_too(daemon: MeasuringDaemon) -> None:
    keeping, made = restarted(daemon), first_baseline(daemon)
    keeping.put_in_force(accepted(made, "by hand"), daemon.clock.now())
    restarted(daemon, SIZE).update(daemon.clock.advance(60))
    made = loaded(daemon)
    assert (made.source, rows_of(made, SIZE)) == ("accepted: by hand", 150)


def test_a_season_that_is_declared_later_is_learned_and_another_one_replaces_it(
    daemon: MeasuringDaemon,
) -> None:
    for hour in range(240):
        daemon.predict(1, at=NOW - 10 * DAY + hour * 3600, prediction="1")
        daemon.send_outcomes(f"p{hour}", truth=str(hour % 24))
    daemon.count()
    restarted(daemon).update(daemon.clock.advance(60))
    restarted(daemon, season=SeasonLength(DAY)).update(daemon.clock.advance(60))
    part = loaded(daemon).profile.overall
    assert (part.total(PAIRS), part.total(ERROR)) == (216, 0)
    restarted(daemon, season=SeasonLength(3600.0)).update(daemon.clock.advance(60))
    part = loaded(daemon).profile.overall
    assert part.total(PAIRS) == 239
    assert part.total(ERROR) == sum(abs(hour % 24 - (hour - 1) % 24) for hour in range(1, 240))
