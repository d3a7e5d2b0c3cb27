"""What a client reads about versions: each event once, true whatever happens later, and nothing internal."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from monitor.health import version_events
from monitor.health.model_state import ClientIncident
from monitor.health.version_events import EventKind, VersionEvent, current, events
from monitor.records import Severity, Stream
from monitor.store.releases import Release
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep

AT = 1_795_420_800.0  # Mon 23 Nov 2026, 08:00 UTC
HOUR, DAY = 3600, 86_400
UTC = ZoneInfo("UTC")
FRAUD, CHURN = (Stream("acme", model) for model in ("fraud", "churn"))
TITLES = {FRAUD: "Fraud check"}
WITHDRAWN = "Fraud check: a new version was withdrawn on Mon 08:00. Its requests go to the previous version."
RETURNED = "Fraud check: a new version was withdrawn on Mon 08:00. The previous version answers all requests."
BEING = (
    "Fraud check: a new version is being introduced. It has answered 25 % of the requests since Mon 08:00."
)
PROMOTED = "Fraud check: a new version has answered all requests since Mon 08:00."


def rollout(
    stream: Stream, number: int, state: RolloutState, at: float, canary: str = "8"
) -> tuple[Rollout, RolloutStep]:
    made = Rollout(stream, number, canary, "7", (), AT - HOUR, "ada")
    return made, RolloutStep(2, at, state, 1, 25.0, "version 8 is worse: e-value 412")


def rollback(
    state: RollbackState, ended: float, version: str = "8", kind: str = "rollback", mode: str = "on"
) -> Rollback:
    return Rollback(
        FRAUD, version, "HighErrorRate", mode, "a" * 12, kind, state, "webhook", "7", "e-value 412", "ada",
        ended - 60, answered_at=ended - 30, ended_at=ended,
    )  # fmt: skip


def told(
    now: float, *ended: tuple[Rollout, RolloutStep], back: tuple[Rollback, ...] = (), released=()
) -> list[str]:  # type: ignore[no-untyped-def]
    running = [one for one in ended if one[1].state is RolloutState.RUNNING]
    return current(running, events(ended, released, back), TITLES, UTC, now)


@pytest.mark.parametrize(
    ("state", "after", "said"),
    [
        (RolloutState.RUNNING, 60, [BEING]),
        (RolloutState.RUNNING, 2 * DAY, [BEING]),
        (RolloutState.PROMOTED, 60, [PROMOTED]),
        (RolloutState.FAILED, 60, [WITHDRAWN]),
        (RolloutState.STOPPED, 60, [WITHDRAWN]),
        (RolloutState.FAILED, 2 * DAY, []),
        (RolloutState.PROMOTED, 2 * DAY, []),
    ],
)
def test_a_rollout_in_one_sentence(state: RolloutState, after: float, said: list[str]) -> None:
    assert told(AT + after, rollout(FRAUD, 1, state, AT)) == said


def test_the_newest_event_decides_what_is_said_of_now() -> None:
    promoted, now = rollout(FRAUD, 1, RolloutState.PROMOTED, AT - HOUR), AT + 600
    assert told(now, promoted, back=(rollback(RollbackState.VERIFIED, AT),)) == [RETURNED]
    [going] = told(now, promoted, back=(rollback(RollbackState.CONFIRMED, AT + 30),))
    assert going == "Fraud check: a new version is being withdrawn (since Mon 08:00)."
    for refused in (RollbackState.FAILED, RollbackState.WITHHELD, RollbackState.SENT):
        assert "has answered all requests since" in told(now, promoted, back=(rollback(refused, AT),))[0]
    others = (
        rollback(RollbackState.VERIFIED, AT, mode="dry-run"),
        rollback(RollbackState.VERIFIED, AT, kind="freeze"),
    )
    assert "has answered all requests since" in told(now, promoted, back=others)[0]
    assert told(now, rollout(FRAUD, 2, RolloutState.RUNNING, AT), promoted) == [BEING]
    later = [Release(FRAUD, "9", "b" * 64, AT + 60, AT + 60)]
    assert told(now, rollout(FRAUD, 1, RolloutState.FAILED, AT), released=later) == [], (
        "another version answers now"
    )


def test_history_tells_each_version_once_newest_first_and_nothing_internal() -> None:
    ended = [
        rollout(FRAUD, 1, RolloutState.FAILED, AT),
        rollout(CHURN, 3, RolloutState.PROMOTED, AT + 3),
        rollout(FRAUD, 2, RolloutState.STOPPED, AT + 2, "9"),
    ]
    released = [
        Release(FRAUD, "8", "a" * 64, AT - 60, AT),  # told by its rollout
        Release(CHURN, "3", "b" * 64, AT + 600, AT),
        Release(CHURN, "3", "c" * 64, AT + 900, AT),  # recorded again
        Release(FRAUD, "10", "d" * 64, AT + 700, AT),
    ]
    back = [
        rollback(RollbackState.VERIFIED, AT + 120),  # told by its rollout, which failed
        rollback(RollbackState.VERIFIED, AT + 800, "10"),
    ]
    found = events(ended, released, back)
    over = "The previous version took over all requests."
    ordered = "Its requests go to the previous version."
    said = [one.sentence({FRAUD: "Fraud check", CHURN: "Churn"}[one.stream]) for one in found]
    assert said == [
        f"Fraud check: a new version was withdrawn. {over}",
        "Fraud check: a new version was released.",
        "Churn: a new version was released.",
        "Churn: a new version took over all requests.",
        f"Fraud check: a new version was withdrawn. {ordered}",
        f"Fraud check: a new version was withdrawn, because it was worse. {ordered}",
    ]
    assert found[3].detail(UTC, AT + DAY) == "It was introduced step by step, starting Mon 07:00."
    assert not any(word in text for text in said for word in ("412", "ada", "e-value", "8"))


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (EventKind.FAILED, "RolloutFailed"),
        (EventKind.RETURNED, "RolledBack"),
        (EventKind.RETURNING, "RolledBack"),
    ],
)
def test_an_incident_that_tells_of_the_version_is_its_only_row(kind: EventKind, rule: str) -> None:
    one = VersionEvent(FRAUD, AT, kind, "8")
    incident = ClientIncident(FRAUD, "Fraud check", rule, Severity.WARNING, "It was worse.", AT + 20, None)
    assert one.is_covered_by(incident)
    assert not one.is_covered_by(replace(incident, started=AT + 2 * HOUR))
    assert not one.is_covered_by(replace(incident, stream=CHURN))
    assert not one.is_covered_by(replace(incident, rule="HighErrorRate"))
    assert not VersionEvent(FRAUD, AT, EventKind.RELEASED, "8").is_covered_by(incident)
    assert version_events.TOLD_FOR == DAY
