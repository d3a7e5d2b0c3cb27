"""Between reading profiles and writing what was measured, others count: nothing stale stays, and nothing is lost."""

import random
import threading
from collections.abc import Callable, Iterator

import pytest

from monitor.clock import ManualClock
from monitor.evaluation.clock_metrics import ClockMetrics
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.records import Window
from monitor.store import measurement_queue, measurements, profile_versions, profiles
from monitor.store.db import Store, metadata
from monitor.windows import codec
from monitor.windows.rolling import Rolling, current_layout
from tests.support import schema
from tests.support.log import NOW, STREAM
from tests.support.measuring import MINUTE, MeasuringDaemon
from tests.support.postgresql import postgresql
from tests.support.thorough import thinned
from tests.support.waiting import until


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("findings")
        yield f"sqlite:///{folder}/watchkeeper.db"
        return
    with postgresql() as server:
        yield server.url


@pytest.fixture
def daemon(url: str) -> Iterator[MeasuringDaemon]:
    store = Store(url)
    metadata.drop_all(store.engine)
    schema.create(store)
    clock = ManualClock(NOW)
    log = PredictionLog(store, PredictionSettings(), clock)
    log.start()
    yield MeasuringDaemon(store, log, clock)
    log.stop()
    store.close()


@pytest.fixture
def other(url: str, daemon: MeasuringDaemon) -> Iterator[MeasuringDaemon]:
    """A second daemon on the same database."""
    store = Store(url)
    yield MeasuringDaemon(store, daemon.log, daemon.clock, numbers=daemon.numbers)
    store.close()


def meanwhile(daemon: MeasuringDaemon, happens: Callable[[], object]) -> None:
    """Let something happen once, in the middle of the next measuring: when the hour was read and nothing written."""
    left = [happens]

    def is_probed(_: object) -> bool:
        if left:
            left.pop()()
        return False

    daemon.measuring.wall = ClockMetrics(daemon.store, is_probed, lambda start, end: end - start)


def volume(daemon: MeasuringDaemon, start: float, seconds: int) -> float | None:
    with daemon.store.read() as connection:
        found = measurements.of_window(connection, STREAM, Window(int(start), int(start) + seconds))
    return next((m.value for m in found if m.metric == "volume" and not m.labels), None)


def sums(daemon: MeasuringDaemon) -> dict[Window, int]:
    """The rows of every profile that is kept, and what the base windows inside it hold, where that is not the same."""
    wrong = {}
    with daemon.store.read() as connection:
        layout = current_layout(connection, STREAM)
        for seconds in (MINUTE << doubled for doubled in range(1, 12)):
            for kept in profiles.between(connection, STREAM, seconds, 0, 2 * NOW):
                inside = profiles.between(connection, STREAM, MINUTE, kept.window.start, kept.window.end)
                rows = sum(codec.decode(one.blob, layout).rows for one in inside)
                if rows != kept.rows:
                    wrong[kept.window] = rows
    return wrong


def closed_minutes(daemon: MeasuringDaemon, minutes: int = 8) -> None:
    for _ in range(minutes):
        daemon.predict(10)
        daemon.clock.advance(60)
    daemon.clock.advance(15)
    daemon.predict(1)
    daemon.count()


def test_rows_that_are_counted_while_a_window_is_measured_are_in_its_figures(
    daemon: MeasuringDaemon, other: MeasuringDaemon
) -> None:
    closed_minutes(daemon)

    def late_rows() -> None:
        other.predict(5, at=NOW + 1)
        other.count()

    meanwhile(daemon, late_rows)
    daemon.measure()
    assert volume(daemon, NOW, MINUTE) == 15
    assert sums(daemon) == {}


def test_figures_of_another_daemon_that_knew_more_are_not_written_over(
    daemon: MeasuringDaemon, other: MeasuringDaemon
) -> None:
    closed_minutes(daemon)

    def all_of_a_tick() -> None:
        other.predict(5, at=NOW + 1)
        other.measure()

    meanwhile(daemon, all_of_a_tick)
    daemon.measuring.measure({300: frozenset({"volume"})}, [], daemon.clock.now())
    assert volume(daemon, NOW, MINUTE) == 15
    assert sums(daemon) == {}


def test_a_minute_without_rows_that_gets_some_meanwhile_is_not_written_as_empty(
    daemon: MeasuringDaemon, other: MeasuringDaemon
) -> None:
    daemon.predict(10)
    daemon.measure()
    daemon.clock.advance(195)
    daemon.predict(1)

    def all_of_a_tick() -> None:
        other.predict(5, at=NOW + 61)
        other.measure()

    meanwhile(daemon, all_of_a_tick)
    daemon.measure()
    assert volume(daemon, NOW + 60, MINUTE) == 5


def test_others_can_write_while_it_measures(daemon: MeasuringDaemon, other: MeasuringDaemon) -> None:
    closed_minutes(daemon)
    taken = []
    meanwhile(daemon, lambda: taken.append(daemon.predict(1)))  # its commit would wait for ever
    daemon.measure()
    assert taken == [None]
    assert volume(daemon, NOW, MINUTE) == 10


def test_when_it_dies_before_it_writes_the_window_is_measured_by_the_next(
    daemon: MeasuringDaemon, other: MeasuringDaemon
) -> None:
    closed_minutes(daemon)

    def die() -> None:
        raise KeyboardInterrupt

    meanwhile(daemon, die)
    with pytest.raises(KeyboardInterrupt):
        daemon.measure()
    assert volume(daemon, NOW, MINUTE) is None
    other.measure()
    assert volume(daemon, NOW, MINUTE) == 10
    with daemon.store.read() as connection:
        assert all(one.end > NOW + 480 for one in measurement_queue.load(connection).get(STREAM, []))


def test_one_who_counts_waits_for_one_who_writes_down_and_the_other_way_round(
    daemon: MeasuringDaemon, other: MeasuringDaemon
) -> None:
    daemon.predict(1)
    daemon.count()
    seen: list[int] = []

    def hold() -> None:
        with other.store.write() as connection:
            seen.append(profile_versions.hold(connection, STREAM, NOW))

    thread = threading.Thread(target=hold)
    with daemon.store.write() as connection:
        before = profile_versions.hold(connection, STREAM, NOW)
        profile_versions.advance(connection, STREAM, NOW)
        thread.start()
        with pytest.raises(AssertionError):
            until(lambda: seen, "it does not wait", 0.3)
    thread.join(300)
    assert seen == [before + 1]


@pytest.mark.parametrize("seed", thinned(range(6), 2))
def test_whatever_two_daemons_do_in_between_the_last_word_is_right(
    daemon: MeasuringDaemon, other: MeasuringDaemon, seed: int
) -> None:
    rng = random.Random(seed)
    sent: dict[int, int] = {}

    def send(daemon: MeasuringDaemon) -> None:
        minute, rows = rng.randrange(0, max(1, int(daemon.clock.now() - NOW) // 60)), rng.randrange(1, 9)
        daemon.predict(rows, at=NOW + 60 * minute + 1)
        sent[minute] = sent.get(minute, 0) + rows

    doings = (send, MeasuringDaemon.count, MeasuringDaemon.measure)
    for _ in range(12):
        daemon.clock.advance(rng.choice((2, 60, 75)))
        some = [rng.choice(doings) for _ in range(rng.randrange(4))]
        meanwhile(daemon, lambda some=some: [do(other) for do in some])  # type: ignore[misc]
        rng.choice(doings)(daemon)
        daemon.measure()
    daemon.clock.advance(200)
    daemon.predict(1)
    other.measure()
    daemon.measure()
    assert {minute: volume(daemon, NOW + 60 * minute, MINUTE) for minute in sent} == sent
    assert sums(daemon) == {}
    with daemon.store.read() as connection:
        window = Window(int(NOW), int(NOW) + 3600)
        whole = Rolling(connection, MINUTE, settled=float("-inf")).profile(STREAM, window)
    assert whole.rows == sum(sent.values()) + 1
