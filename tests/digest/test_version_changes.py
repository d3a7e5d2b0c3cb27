"""The line of a digest on what was rolled out since the one before."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from monitor.digest import Sender, render, schedule, version_changes
from monitor.digest.schedule import Due
from monitor.health.version_events import events
from monitor.records import Stream
from monitor.store import digests, rollouts
from monitor.store.releases import Release
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep, Stage
from tests.support import clients
from tests.support.clients import CHURN, CLIENTS, FRAUD, NOW

UTC = ZoneInfo("UTC")
DAY = 86_400.0
HOSTILE = "8\u202e\u2028\r\n<b>{{7*7}}" + "w" * 400
RUNNING, PROMOTED, FAILED, STOPPED = RolloutState


def rollout(
    number: int, version: str, *ends: tuple[float, RolloutState, float]
) -> tuple[Rollout, list[RolloutStep]]:
    made = Rollout(Stream("acme", "fraud"), number, version, "7", (Stage(100.0, 60.0),), NOW - 3 * DAY, "ada")
    return made, [
        RolloutStep(at + 1, NOW - back, state, 0, share, "why")
        for at, (back, state, share) in enumerate(ends)
    ]


def words(
    known: list[tuple[Rollout, list[RolloutStep]]],
    start: float,
    now: float,
    released: Sequence[Release] = (),
    back: Sequence[Rollback] = (),
) -> str:
    ended = [(one, step) for one, steps in known for step in steps]
    return version_changes.words(known, events(ended, released, back), start, now, UTC)


@pytest.mark.parametrize(
    ("state", "share", "said"),
    [
        (RUNNING, 25.0, "version 8 is running at 25 % since Mon 12:00"),
        (RUNNING, 0.5, "version 8 is running at 0.5 % since Mon 12:00"),
        (PROMOTED, 100.0, "version 8 was promoted, Mon 12:00"),
        (FAILED, 0.0, "version 8 failed: it is worse, Mon 12:00; version 7 takes over"),
        (STOPPED, 0.0, "version 8 was stopped, Mon 12:00; version 7 takes over"),
    ],
)
def test_each_end_and_a_rollout_that_runs_are_said(state: RolloutState, share: float, said: str) -> None:
    known = [rollout(1, "8", (7200, RUNNING, 5.0), (3600, state, share))]
    now = 1_795_438_800.0  # Mon 23 Nov 2026, 13:00 UTC
    moved = [(one, [replace(step, at=step.at - NOW + now) for step in steps]) for one, steps in known]
    assert words(moved, now - DAY, now) == said


def test_what_ended_before_the_last_digest_or_comes_after_this_one_is_not_said() -> None:
    ended = rollout(1, "8", (7200, RUNNING, 5.0), (3600, PROMOTED, 100.0))
    assert words([ended], NOW - 3600, NOW) == "", "the digest before has said it"
    assert words([ended], NOW - 3601, NOW) != ""
    assert "running at 5 %" in words([ended], NOW - DAY, NOW - 5000)
    assert words([ended], NOW - DAY, NOW - 9000) == ""


def test_releases_and_rollbacks_are_said_and_only_the_last_withdrawal_says_who_answers() -> None:
    failed = rollout(1, "8", (7200, RUNNING, 5.0), (3600, FAILED, 0.0))
    back = Rollback(
        FRAUD, "9", "by ada", "on", "a" * 12, "rollback", RollbackState.VERIFIED, "webhook", "7", "", "ada",
        NOW - 700, ended_at=NOW - 600,
    )  # fmt: skip
    released = [Release(FRAUD, "9", "b" * 64, NOW - 1800, NOW)]
    assert words([failed], NOW - DAY, NOW, released, [back]) == (
        "version 9 was rolled back, Mon 11:50; version 7 answers all requests; version 9 was released, Mon 11:30; "
        "version 8 failed: it is worse, Mon 11:00"
    )
    going = replace(back, state=RollbackState.CONFIRMED, answered_at=NOW - 600, ended_at=None)
    assert words([], NOW - DAY, NOW, (), [going]) == "version 9 is being rolled back, Mon 11:50"


def test_a_rollout_that_has_been_running_for_days_is_said_each_day() -> None:
    known = [rollout(1, "8", (2.5 * DAY, RUNNING, 50.0))]
    assert "running at 50 %" in words(known, NOW - DAY, NOW)


def test_many_and_hostile_ones_stay_one_short_line() -> None:
    known = [rollout(9 - n, HOSTILE, (60.0 + n, STOPPED, 0.0)) for n in range(7)]
    said = words(known, NOW - DAY, NOW)
    assert said.endswith("; and 4 more")
    assert len(said) < 600
    assert not {"\u202e", "\u2028", "\r", "\n"} & set(said)


def test_the_digest_has_the_line_and_poison_stops_no_more_than_itself(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=1)
    plain = Sender(shop.store, shop.clients, ("email", "slack"), "https://w.example", "0.1.0")
    quiet = plain.preview("acme", NOW)
    assert quiet is not None
    with shop.store.write() as connection:
        for stream in (FRAUD, CHURN):
            (one, steps) = rollout(1, HOSTILE, (3 * DAY, RUNNING, 5.0), (3600, PROMOTED, 100.0))
            assert rollouts.start(connection, replace(one, stream=stream), steps[0])
            rollouts.add(connection, replace(one, stream=stream), steps[1])
        connection.execute(
            text("UPDATE rollouts SET plan = 'x' WHERE model = :model"), {"model": CHURN.model}
        )
    digest = plain.preview("acme", NOW)
    assert digest is not None
    told = {model.title: model.has_rollout for model in digest.models}
    assert [title for title, has in told.items() if has] == [CLIENTS["acme"].title(FRAUD.model)]
    assert CLIENTS["acme"].title(CHURN.model) in told
    assert digest.is_news
    assert "was promoted" in render.text(digest, "0.1.0")
    assert "<b>{{" not in render.html(digest, "0.1.0")
    assert "was promoted" in render.chat(digest, "0.1.0").blocks
    shop.store.close()


def test_a_digest_covers_the_time_since_the_one_before(tmp_path: Path) -> None:
    shop, settings = clients.opened(tmp_path, hours=1), CLIENTS["acme"]
    monday = Due("daily", date(2026, 11, 23), schedule.moment(date(2026, 11, 23), settings))
    with shop.store.write() as connection:
        assert version_changes.since(connection, "acme", monday, settings) == monday.at - DAY
        for kind, day in (("daily", "2026-11-20"), ("daily", "2026-11-23"), ("weekly", "2026-11-22")):
            digests.claim(connection, "acme", kind, day, NOW, "sent")
        assert version_changes.since(connection, "acme", monday, settings) == monday.at - 3 * DAY
    shop.store.close()
