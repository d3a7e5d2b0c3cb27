"""Rollouts in a store: started once, advanced by any daemon, and never twice; on SQLite and PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, text

from monitor.errors import InputError, NotFoundError
from monitor.records import Stream
from monitor.releases.approval.approve import decide, missing_approval
from monitor.releases.settings import ReleasePolicy
from monitor.rollouts import running, view
from monitor.rollouts.load_arms import ArmSettings
from monitor.rollouts.plan import BLUE_GREEN, DEFAULT, HALF, parse_plan
from monitor.store import audit, rollouts
from monitor.store.approvals import TEAM, Approval
from monitor.store.db import Store
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep
from tests.support import schema
from tests.support.postgresql import postgresql
from tests.support.rollouts import Behaviour, put_minute

START = 1_795_420_800
READING = ArmSettings(60)
GOOD, BAD = Behaviour(0.01), Behaviour(0.08)


BOTH = pytest.mark.parametrize("service", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="module")
def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path_factory.mktemp('rollouts')}/a.db")
    schema.create(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def postgresql_store() -> Iterator[Store]:
    with postgresql() as server:
        made = Store(server.url)
        schema.create(made)
        yield made
        made.close()


approved = missing_approval(lambda _: ReleasePolicy())
"""Every version may be promoted."""


@dataclass
class Service:
    """A model whose switch follows the share of its rollout, minute by minute."""

    store: Store
    stream: Stream
    policy: ReleasePolicy = field(default_factory=ReleasePolicy)
    minute: int = 0
    answering: bool = True
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))

    @property
    def now(self) -> float:
        return START + 60.0 * self.minute

    def start(self, canary: str = "8", stable: str = "", plan: str = DEFAULT) -> Rollout:
        with self.store.write() as connection:
            stages = parse_plan(plan, 60)
            return running.start(
                connection, self.stream, canary, stable, stages, who="ada", address="here", now=self.now
            )

    def steps(self) -> tuple[RolloutStep, ...]:
        with self.store.read() as connection:
            known = rollouts.latest(connection, self.stream)
        return known[1] if known else ()

    def run(self, minutes: int, canary: Behaviour = GOOD, name: str = "8", *, advancing: bool = True) -> None:
        """Traffic of 1,000 answers a minute, split as the last step says; the daemon decides after each minute."""
        for _ in range(minutes):
            steps = self.steps()
            share = steps[-1].share if steps else 0.0
            n = round(10 * share) if self.answering else 0
            arms = {"7": (1000 - round(10 * share), GOOD), name: (n, canary)}
            put_minute(self.store, self.stream, int(self.now), arms, self.random)
            self.minute += 1
            if advancing:
                self.advance()

    def advance(self, at: float | None = None) -> list[RolloutStep]:
        made = running.advance(
            self.store, READING, self.now if at is None else at, missing_approval(lambda _: self.policy)
        )
        return [step for rollout, step in made if rollout.stream == self.stream]


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Service:
    store = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_store")
    made = Service(store, Stream("acme", f"model {hash(request.node.name)}"))
    made.run(5)
    return made


def test_a_good_canary_goes_up_by_itself_and_is_promoted(service: Service) -> None:
    begun = service.start(plan=HALF)
    assert (begun.stable, begun.number) == ("7", 1)
    service.run(50)
    steps = service.steps()
    assert [step.share for step in steps] == [5, 10, 25, 50, 100, 100]
    assert [step.state for step in steps[-2:]] == [RolloutState.RUNNING, RolloutState.PROMOTED]
    assert [round((step.at - START) / 60) for step in steps] == [5, 12, 17, 22, 37, 52]
    assert "after a pass" in steps[1].reason
    assert {check.name for check in steps[-1].checks} >= {"failures", "latency", "inputs"}


@BOTH
def test_a_bad_canary_is_stopped_once_at_the_moment_of_proof(service: Service) -> None:
    service.start()
    service.run(40, BAD)
    steps = service.steps()
    assert [step.state for step in steps].count(RolloutState.FAILED) == 1
    assert (steps[-1].state, steps[-1].share) == (RolloutState.FAILED, 0.0)
    assert steps[-1].at < START + 60 * (5 + 12), "within twelve minutes, at 5 % of the traffic"
    assert "is worse: " in steps[-1].reason
    assert {check.name: check.state for check in steps[-1].checks}["failures"] == "fail"
    assert service.advance() == []


def test_a_restart_between_steps_goes_on_where_it_was_and_time_without_answers_does_not_count(
    service: Service,
) -> None:
    service.start()
    service.run(8)
    assert service.steps()[-1].share == 5
    service.minute += 120  # the daemon was off, and nothing was received
    service.run(1)
    assert service.steps()[-1].share == 10, "eight minutes before, and one after"
    service.run(4, advancing=False)
    service.minute += 120
    service.run(1)
    assert service.steps()[-1].share == 10, "five minutes were watched"


@BOTH
def test_two_daemons_that_decide_at_the_same_moment_make_one_step(service: Service) -> None:
    begun = service.start()
    service.run(12, BAD, advancing=False)
    with service.store.read() as connection:
        last = service.steps()[-1]
        _, decision = running.judge(connection, begun, last, READING, service.now, approved)
    made = running.advance(service.store, READING, service.now, approved)
    assert [rollout.stream for rollout, _ in made].count(service.stream) == 1
    assert decision.step is not None
    with service.store.write() as connection:
        assert not rollouts.add(connection, begun, decision.step), "the slower daemon has decided the same"
    assert len(service.steps()) == 2


def test_a_canary_that_dies_in_the_middle_loses_its_traffic(service: Service) -> None:
    service.start()
    service.run(15)
    service.answering = False
    service.run(5)
    assert (service.steps()[-1].state, service.steps()[-1].share) == (RolloutState.STOPPED, 0.0)
    assert "has stopped answering" in service.steps()[-1].reason


def test_a_canary_that_nobody_asks_is_held_for_ever(service: Service) -> None:
    service.start()
    service.answering = False
    service.run(30)
    assert len(service.steps()) == 1


def test_a_clock_that_is_set_back_starts_the_stage_again(service: Service) -> None:
    service.start()
    service.run(8)
    [step] = service.advance(service.now - 86_400)
    assert (step.share, step.state) == (5, RolloutState.RUNNING)
    assert "the clock was set back" in step.reason


@BOTH
def test_a_second_canary_at_once_is_refused_and_after_a_stop_it_is_not(service: Service) -> None:
    service.start()
    service.run(3)
    with pytest.raises(InputError, match="a rollout of version '8'"):
        service.start("9")
    with service.store.write() as connection:
        running.stop(connection, service.stream, who="ada", address="here", now=service.now)
    assert (service.steps()[-1].state, service.steps()[-1].share) == (RolloutState.STOPPED, 0.0)
    assert service.start("9").number == 2
    with pytest.raises(NotFoundError, match="is running"), service.store.write() as connection:
        running.stop(connection, Stream("acme", "nobody"), who="ada", address="here", now=service.now)
    with service.store.read() as connection:
        targets = [entry.target for entry in audit.latest(connection, "acme", 3)]
    assert targets[0].startswith("start rollout of 9")
    assert targets[1].startswith("stop rollout of 8")


def test_an_approval_that_was_withdrawn_holds_the_share_and_a_new_one_lets_it_go_on(service: Service) -> None:
    service.policy = ReleasePolicy(approval="team")

    def decides(*, approved: bool) -> None:
        made = Approval(service.stream, "8", TEAM, approved, "eve", service.now, note="not yet")
        with service.store.write() as connection:
            assert decide(connection, made, "here")

    decides(approved=True)
    service.start(plan="50:15m,100:15m")
    service.run(2)
    decides(approved=False)
    service.run(18)
    assert [step.share for step in service.steps()] == [50]
    with service.store.read() as connection:
        known = rollouts.latest(connection, service.stream)
        assert known is not None
        shown = view.of_rollout(
            connection, *known, READING, service.now, missing_approval(lambda _: service.policy)
        )
    assert "at 50 %, held: version 8 was declined by eve (team, " in shown.headline
    assert shown.headline.endswith(": not yet")
    decides(approved=True)
    service.run(1)
    assert [step.share for step in service.steps()] == [50, 100]


def test_a_hostile_name_is_rolled_out_like_any_other(service: Service) -> None:
    name = ("\u202e\u2028'\"\r\n%s{{7*7}}<b>é" * 60)[:512]
    service.start(name)
    service.run(25, BAD, name)
    assert service.steps()[-1].state is RolloutState.FAILED


@pytest.mark.parametrize(
    ("canary", "stable", "told"),
    [
        ("", "", "is empty"),
        ("8\0", "", "NUL"),
        ("8\ud800", "", "surrogate"),
        ("8" * 513, "", "longer than 512"),
        ("\U0001f600" * 300, "", "longer than 512 characters or 1,024 bytes"),
        ("7", "7", "cannot be compared with itself"),
        ("8", "x" * 600, "longer than 512"),
    ],
)
def test_a_version_that_cannot_be_stored_or_compared_is_refused(
    service: Service, canary: str, stable: str, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        service.start(canary, stable)
    assert service.steps() == ()


def test_without_a_version_to_compare_with_there_is_no_rollout(service: Service) -> None:
    with pytest.raises(NotFoundError, match="could be compared with"):
        Service(service.store, Stream("acme", "new")).start()


def test_a_switch_from_blue_to_green_that_fails_goes_back(service: Service) -> None:
    service.run(20)
    service.start(plan=BLUE_GREEN)
    assert service.steps()[-1].share == 100
    service.run(15, Behaviour(0.15))
    assert (service.steps()[-1].state, service.steps()[-1].share) == (RolloutState.FAILED, 0.0)
    assert "5% is the limit" in service.steps()[-1].reason


def test_a_last_step_that_cannot_be_read_sends_no_traffic_to_the_canary(service: Service) -> None:
    service.start()
    with service.store.write() as connection:
        damage = text("UPDATE rollout_steps SET share = 'x' WHERE model = :model")
        connection.execute(damage, {"model": service.stream.model})
    assert (service.steps()[-1].state, service.steps()[-1].share) == (RolloutState.STOPPED, 0.0)
    assert service.advance() == []


def test_old_rollouts_are_deleted_with_their_steps(service: Service) -> None:
    service.start()
    with service.store.write() as connection:
        assert rollouts.delete_before(connection, service.now + 1) >= 1
    assert service.steps() == ()


def test_one_rollout_that_cannot_be_decided_does_not_stop_the_others(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Service(service.store, Stream("zebra", service.stream.model))
    other.run(5)
    service.start(), other.start()
    service.run(11, BAD, advancing=False)
    other.run(11, BAD, advancing=False)
    real = running.judge

    def broken(connection: Connection, rollout: Rollout, *rest: Any) -> object:
        if rollout.stream.client == "acme":
            raise ValueError("poison")
        return real(connection, rollout, *rest)

    monkeypatch.setattr("monitor.rollouts.running.judge", broken)
    made = running.advance(service.store, READING, service.now, approved)
    assert [rollout.stream for rollout, _ in made if rollout.stream.model == other.stream.model] == [
        other.stream
    ]
