"""Several daemons on one PostgreSQL share the models, without workers or with them, and decide what one decides."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from monitor import wiring
from monitor.records import DAEMON, State, Stream
from monitor.store import alerts
from monitor.store.fenced_store import LeaseLostError
from tests.support.postgresql import postgresql
from tests.support.thorough import THOROUGH
from tests.workers.conftest import Fleet, fleet_of
from tests.workers.test_workers import MODELS, Decided, firing, story

NAMES = "host/1/leads", "host/2/beside"
"""Each daemon gets some of the models."""


class Daemons(Fleet):
    """Two daemons on one database. This one leads; the one `beside` it ticks first."""

    def __init__(self, folder: Path, workers: int, url: str) -> None:
        folder.mkdir()
        names = iter(NAMES)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(wiring, "process_name", lambda: next(names))
            super().__init__(folder / "leads", MODELS, 1, url)
            self.beside = Fleet(folder / "beside", MODELS, workers, url, self.clock)
        self.app.pipeline.leader.acquire(self.clock.now())
        self.is_beside_alive = True

    def tick(self) -> None:
        """A tick of both."""
        if self.is_beside_alive:
            self.beside.tick()
        super().tick()

    def close(self) -> None:
        """Stop both."""
        self.beside.close()
        super().close()

    def shares(self) -> tuple[set[Stream], set[Stream]]:
        """The models that each has measured in the last tick, with its workers."""
        mine, others = (
            {stream for stream, _ in one.app.pipeline.measured()} - {DAEMON} for one in (self, self.beside)
        )
        return mine, others

    def expire(self) -> None:
        """The leases of the daemon beside are not renewed any more."""
        pool = self.beside.app.pipeline.workers
        assert pool is not None
        with self.app.store.write() as connection:
            ended = text("UPDATE leases SET expires_at = 0 WHERE holder = :holder AND name LIKE 'worker:%'")
            connection.execute(ended, {"holder": pool.daemon})


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Decided:
    """What one daemon decides."""
    with fleet_of(tmp_path_factory.mktemp("alone") / "one", MODELS, 1) as one:
        return story(one)


@pytest.fixture(
    scope="module", params=[1, pytest.param(2, marks=pytest.mark.skipif(not THOROUGH, reason="slow"))]
)
def daemons(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    with postgresql() as server:
        both = Daemons(tmp_path_factory.mktemp("daemons") / "two", request.param, server.url)
        yield both
        both.close()


def test_two_daemons_share_the_models_and_decide_what_one_decides_to_the_last_bit(
    daemons: Daemons, alone: Decided
) -> None:
    decided = story(daemons)
    mine, others = daemons.shares()
    assert mine
    assert others, "one daemon has all models, so nothing was compared"
    assert not mine & others, "judged by both in one tick"
    assert mine | others == set(daemons.streams)
    assert daemons.app.pipeline.leader.is_held
    assert not daemons.beside.app.pipeline.leader.is_held
    for table, rows in alone.items():
        assert decided[table] == rows, table
    with daemons.app.store.read() as connection:
        past = alerts.load_transitions(connection, 0.0, 1e12)
    changes = [change for change in past if change.to is State.FIRING]
    assert len(changes) == len({(change.fingerprint, change.episode) for change in changes}), "begun twice"


def test_the_models_of_a_daemon_that_ends_move_and_it_writes_nothing_when_it_wakes(daemons: Daemons) -> None:
    daemons.minute(1000)
    beside = daemons.beside.app.pipeline
    held = daemons.shares()
    daemons.is_beside_alive = False
    daemons.expire()
    daemons.minute(1001, failing=range(MODELS))  # two ticks
    assert daemons.shares()[0] == set(daemons.streams)
    assert firing(daemons) >= {stream.model for stream in daemons.streams}
    with pytest.raises(LeaseLostError), beside.judge.store.write():
        pytest.fail("the block must not begin")
    daemons.is_beside_alive = True
    daemons.minute(1002)
    assert daemons.shares() == held, "each has its models again"


def test_leases_are_renewed_while_a_tick_computes_and_expire_if_it_is_stuck(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemons.minute(1003)
    held, now = daemons.shares(), daemons.clock.now()
    beside = daemons.beside.app.pipeline
    daemons.expire()
    beside.renew(now)
    daemons.app.tick()
    assert daemons.shares()[0] == held[0], "nothing has moved"
    monkeypatch.setattr(beside.progress, "is_stuck", lambda _seconds: True)
    daemons.expire()
    beside.renew(now)
    daemons.app.tick()
    assert daemons.shares()[0] == set(daemons.streams)


def test_a_tick_ends_early_once_its_models_belong_to_another_daemon(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.undo()
    beside = daemons.beside.app
    if beside.pipeline.worker_states():
        pytest.skip("its workers judge its models, so it writes nothing of them itself")
    daemons.minute(1004)
    count = beside.pipeline.judge.measuring.measure

    def late(*asked):
        daemons.expire()
        daemons.app.tick()  # which takes its models
        return count(*asked)

    monkeypatch.setattr(beside.pipeline.judge.measuring, "measure", late)
    daemons.clock.advance(60)
    beside.tick()
    assert "tick ended early" in caplog.text
