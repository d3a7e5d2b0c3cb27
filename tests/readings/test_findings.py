"""Between reading profiles and writing what was measured, others count: nothing stale stays, and nothing is lost."""

import random
import threading
from collections.abc import Callable, Iterator

import pytest

from monitor.clock import ManualClock
from monitor.predictions.log import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.readings.wallclock import WallClock
from monitor.records import Window
from monitor.store import measurements, profiles, revisions, unmeasured
from monitor.store.db import Store, metadata
from monitor.windows import codec
from monitor.windows.rolling import Rolling, current_layout
from tests.support.log import NOW, STREAM
from tests.support.postgresql import postgresql
from tests.support.waiting import until
from tests.support.world import MINUTE, World


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("findings")
        yield f"sqlite:///{folder}/watchkeeper.db"
        return
    with postgresql() as server:
        yield server.url


@pytest.fixture
def daemon(url: str) -> Iterator[World]:
    store = Store(url)
    metadata.drop_all(store.engine)
    metadata.create_all(store.engine)
    clock = ManualClock(NOW)
    log = PredictionLog(store, PredictionSettings(), clock)
    log.start()
    yield World(store, log, clock)
    log.stop()
    store.close()


@pytest.fixture
def other(url: str, daemon: World) -> Iterator[World]:
    """A second daemon on the same database."""
    store = Store(url)
    yield World(store, daemon.log, daemon.clock, numbers=daemon.numbers)
    store.close()


def meanwhile(daemon: World, happens: Callable[[], object]) -> None:
    """Let something happen once, in the middle of the next measuring: when the hour was read and nothing written."""
    left = [happens]

    def is_probed(_: object) -> bool:
        if left:
            left.pop()()
        return False

    daemon.measuring.wall = WallClock(daemon.store, is_probed, lambda start, end: end - start)


def volume(daemon: World, start: float, seconds: int) -> float | None:
    with daemon.store.read() as connection:
        found = measurements.of_window(connection, STREAM, Window(int(start), int(start) + seconds))
    return next((m.value for m in found if m.metric == "volume" and not m.labels), None)


def sums(daemon: World) -> dict[Window, int]:
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


def closed_minutes(daemon: World, minutes: int = 8) -> None:
    for _ in range(minutes):
        daemon.predict(10)
        daemon.clock.advance(60)
    daemon.clock.advance(15)
    daemon.predict(1)
    daemon.count()


def test_rows_that_are_counted_while_a_window_is_measured_are_in_its_figures(
    daemon: World, other: World
) -> None:
    closed_minutes(daemon)

    def late_rows() -> None:
        other.predict(5, at=NOW + 1)
        other.count()

    meanwhile(daemon, late_rows)
    daemon.look()
    assert volume(daemon, NOW, MINUTE) == 15
    assert sums(daemon) == {}


def test_figures_of_another_daemon_that_knew_more_are_not_written_over(daemon: World, other: World) -> None:
    closed_minutes(daemon)

    def all_of_a_tick() -> None:
        other.predict(5, at=NOW + 1)
        other.look()

    meanwhile(daemon, all_of_a_tick)
    daemon.measuring.measure({300: frozenset({"volume"})}, [], daemon.clock.now())
    assert volume(daemon, NOW, MINUTE) == 15
    assert sums(daemon) == {}


def test_a_minute_without_rows_that_gets_some_meanwhile_is_not_written_as_empty(
    daemon: World, other: World
) -> None:
    daemon.predict(10)
    daemon.look()
    daemon.clock.advance(195)
    daemon.predict(1)

    def all_of_a_tick() -> None:
        other.predict(5, at=NOW + 61)
        other.look()

    meanwhile(daemon, all_of_a_tick)
    daemon.look()
    assert volume(daemon, NOW + 60, MINUTE) == 5


def test_others_can_write_while_it_measures(daemon: World, other: World) -> None:
    closed_minutes(daemon)
    taken = []
    meanwhile(daemon, lambda: taken.append(daemon.predict(1)))  # its commit would wait for ever
    daemon.look()
    assert taken == [None]
    assert volume(daemon, NOW, MINUTE) == 10


def test_when_it_dies_before_it_writes_the_window_is_measured_by_the_next(
    daemon: World, other: World
) -> None:
    closed_minutes(daemon)

    def die() -> None:
        raise KeyboardInterrupt

    meanwhile(daemon, die)
    with pytest.raises(KeyboardInterrupt):
        daemon.look()
    assert volume(daemon, NOW, MINUTE) is None
    other.look()
    assert volume(daemon, NOW, MINUTE) == 10
    with daemon.store.read() as connection:
        assert all(one.end > NOW + 480 for one in unmeasured.load(connection).get(STREAM, []))


def test_one_who_counts_waits_for_one_who_writes_down_and_the_other_way_round(
    daemon: World, other: World
) -> None:
    daemon.predict(1)
    daemon.count()
    seen: list[int] = []

    def hold() -> None:
        with other.store.write() as connection:
            seen.append(revisions.hold(connection, STREAM, NOW))

    thread = threading.Thread(target=hold)
    with daemon.store.write() as connection:
        before = revisions.hold(connection, STREAM, NOW)
        revisions.advance(connection, STREAM, NOW)
        thread.start()
        with pytest.raises(AssertionError):
            until(lambda: seen, "it does not wait", 0.3)
    thread.join(20)
    assert seen == [before + 1]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_two_daemons_do_in_between_the_last_word_is_right(
    daemon: World, other: World, seed: int
) -> None:
    rng = random.Random(seed)
    sent: dict[int, int] = {}

    def send(world: World) -> None:
        minute, rows = rng.randrange(0, max(1, int(world.clock.now() - NOW) // 60)), rng.randrange(1, 9)
        world.predict(rows, at=NOW + 60 * minute + 1)
        sent[minute] = sent.get(minute, 0) + rows

    doings = (send, World.count, World.look)
    for _ in range(12):
        daemon.clock.advance(rng.choice((2, 60, 75)))
        some = [rng.choice(doings) for _ in range(rng.randrange(4))]
        meanwhile(daemon, lambda some=some: [do(other) for do in some])  # type: ignore[misc]
        rng.choice(doings)(daemon)
        daemon.look()
    daemon.clock.advance(200)
    daemon.predict(1)
    other.look()
    daemon.look()
    assert {minute: volume(daemon, NOW + 60 * minute, MINUTE) for minute in sent} == sent
    assert sums(daemon) == {}
    with daemon.store.read() as connection:
        window = Window(int(NOW), int(NOW) + 3600)
        whole = Rolling(connection, MINUTE, settled=float("-inf")).profile(STREAM, window)
    assert whole.rows == sum(sent.values()) + 1
