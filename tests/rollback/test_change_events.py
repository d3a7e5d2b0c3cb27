"""Rollouts and rollbacks as change events: each change once, whoever made it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.alerts.changes.change_event import change_events
from monitor.alerts.settings import AlertSettings
from monitor.config.root import Config
from monitor.jobs import Jobs
from monitor.records import Action
from monitor.rollback.change_events import changes
from monitor.rollouts import running
from monitor.rollouts.plan import DEFAULT, parse_plan
from monitor.store import outbox, releases, rollbacks
from monitor.store.releases import Release
from monitor.store.rollbacks import Rollback, RollbackState
from tests.support.rollback_timeline import START, STREAM, Timeline, timeline

HOSTILE = "8\u202e\u2028'\"\r\n%s{0}{{7*7}}" * 40
SETTINGS = AlertSettings(public_url="https://watch.example.org/")
DONE = Rollback(
    STREAM, "8", "HighErrorRate", "on", "abcdef123456", "rollback", RollbackState.VERIFIED, "webhook", "7",
    "40% of the answers fail", "HighErrorRate", START, START + 1, START + 2, START + 120, "done; 0% of the traffic",
)  # fmt: skip


def titles(line: Timeline, channel: str = "pagerduty") -> list[str]:
    """The titles of all change events that wait for a channel, oldest first."""
    with line.store.read() as connection:
        waiting = [one for one in outbox.waiting(connection) if one.action is Action.CHANGE]
    return [json.loads(one.body)["title"] for one in waiting if one.channel == channel]


def jobs(line: Timeline, *, leads: bool = True, channels: tuple[str, ...] = ("pagerduty",)) -> Jobs:
    return Jobs(line.store, Config(), line.clock, lambda: True, lambda: leads, change_channels=channels)


def test_what_persons_and_rules_do_is_announced_once(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.live(60)
        with line.store.write() as connection:
            running.start(
                connection, STREAM, "8", "7", parse_plan(DEFAULT, 60), who="ada", address="here", now=line.clock.now()
            )  # fmt: skip
        jobs(line, leads=False).announce_changes()
        jobs(line, channels=()).announce_changes()
        assert titles(line) == []
        jobs(line).announce_changes()
        with line.store.write() as connection:
            running.stop(connection, STREAM, who="ada", address="here", now=line.clock.now())
        line.bad_canary()
        line.live(900)
        for _ in range(2):
            jobs(line).announce_changes()
        told = [title.removeprefix("acme/fraud production: ") for title in titles(line)]
        assert told == [
            "version 8 receives 5 % of the requests",
            "version 8 was withdrawn",
            "rollback of version 8 to 7 was ordered",
            "rollback of version 8 to 7 was verified",
        ]
        line.clock.advance(7200)
        with line.store.write() as connection:
            outbox.delete_before(connection, line.clock.now())
        jobs(line).announce_changes()
        assert len(titles(line)) <= 4, "what is old is not told again"


def test_a_recorded_release_is_announced_once_and_history_is_not(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        now = line.clock.now()
        with line.store.write() as connection:
            releases.add(
                connection, Release(STREAM, "8", "a" * 64, now - 60, now, "kim", note="on October\u2028")
            )
            releases.add(connection, Release(STREAM, "9", "a" * 64, now - 60, now))
            releases.add(connection, Release(STREAM, "7", "b" * 64, now - 86_400, now))
        for _ in range(2):
            jobs(line).announce_changes()
        told = sorted(title.removeprefix("acme/fraud production: ") for title in titles(line))
        assert told == ["version 8 was released", "version 9 was released"]
        with line.store.read() as connection:
            reasons = {json.loads(one.body)["reason"] for one in outbox.waiting(connection)}
        assert reasons == {"released by kim: on October\\u2028", "released"}


def test_a_row_that_cannot_be_told_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(one: Rollback, *times: float) -> object:
        if one.id == DONE.id:
            raise ValueError("poison")
        return changes(one, *times)

    monkeypatch.setattr("monitor.rollback.change_events.changes", poisoned)
    with timeline(tmp_path) as line:
        with line.store.write() as connection:
            rollbacks.add(connection, DONE)
            rollbacks.add(connection, replace(DONE, id="other", trigger="manual 1"))
        line.clock.advance(300)
        jobs(line).announce_changes()
        assert len(titles(line)) == 2
        assert "poison" in str(line.store.faults.active())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"state": RollbackState.DECIDED}, ["rollback of version 8 to 7 was ordered"]),
        ({"state": RollbackState.WITHHELD}, []),
        ({"mode": "dry-run"}, []),
        ({"mode": "drill"}, []),
        (
            {"state": RollbackState.FAILED, "other": ""},
            ["rollback of version 8 was ordered", "rollback of version 8 has failed"],
        ),
        (
            {"kind": "freeze"},
            ["freeze of the rollout of version 8 was ordered", "the rollout of version 8 is frozen"],
        ),
        ({"decided_at": START - 9000}, ["rollback of version 8 to 7 was verified"]),
        ({"decided_at": START - 9000, "ended_at": START - 8000}, []),
    ],
)
def test_the_order_and_its_end_are_told(changed: dict[str, object], said: list[str]) -> None:
    of_row = changes(replace(DONE, **changed), START + 200, START - 3600)  # type: ignore[arg-type]
    made = [one for each in of_row for one in change_events(each, ["a", "b"], SETTINGS, START + 200)]
    told = [json.loads(one.body)["title"].removeprefix("acme/fraud production: ") for one in made]
    assert told == [title for title in said for _ in "ab"]
    assert len({(one.channel, one.key) for one in made}) == len(made)


def test_hostile_names_are_told_on_one_short_line() -> None:
    row = replace(DONE, version=HOSTILE, other=HOSTILE, reason=HOSTILE, detail=HOSTILE)
    for change in changes(row, START, START - 1):
        [one] = change_events(change, ["a"], SETTINGS, START)
        told = json.loads(one.body)
        assert [link["href"] for link in told["links"]] == [
            "https://watch.example.org/staff/m/acme/fraud/production/rollback"
        ]
        assert not {"\u202e", "\u2028", "\r", "\n"} & set(told["title"] + told["reason"])
        assert len(told["title"]) < 400
        assert len(told["reason"]) <= 400
