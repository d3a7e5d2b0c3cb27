"""What a client reads about a rollout: one plain sentence, and nothing about what is long over."""

from zoneinfo import ZoneInfo

import pytest

from monitor.records import Stream
from monitor.rollouts.client_wording import sentence, version_events
from monitor.store.releases import Release
from monitor.store.rollouts import Rollout, RolloutState, Step

AT = 1_795_420_800.0
DAY = 86_400


WITHDRAWN = (
    "Fraud check: a new version was withdrawn on Mon 08:00. The version before it answers all requests."
)
BEING = "Fraud check: a new version is being introduced. It answers 25 % of the requests since Mon 08:00."
PROMOTED = "Fraud check: a new version answers all requests since Mon 08:00."


@pytest.mark.parametrize(
    ("state", "share", "after", "told"),
    [
        (RolloutState.RUNNING, 25, 60, BEING),
        (RolloutState.RUNNING, 25, 2 * DAY, BEING),
        (RolloutState.PROMOTED, 100, 60, PROMOTED),
        (RolloutState.FAILED, 0, 60, WITHDRAWN),
        (RolloutState.STOPPED, 0, 60, WITHDRAWN),
        (RolloutState.FAILED, 0, 2 * DAY, ""),
        (RolloutState.PROMOTED, 100, 2 * DAY, ""),
    ],
)
def test_a_rollout_in_one_sentence(state: RolloutState, share: float, after: float, told: str) -> None:
    last = Step(2, AT, state, 1, share, "version 8 is worse: e-value 412")
    assert sentence("Fraud check", last, ZoneInfo("UTC"), AT + after) == told


FRAUD, CHURN, HIDDEN = (Stream("acme", model) for model in ("fraud", "churn", "hidden"))


def ended(stream: Stream, number: int, state: RolloutState, canary: str = "8") -> tuple[Rollout, Step]:
    rollout = Rollout(stream, number, canary, "7", (), AT - 3600, "ada")
    return rollout, Step(2, AT + number, state, 1, 0.0, "version 8 is worse: e-value 412")


def test_history_tells_each_version_once_newest_first_and_nothing_internal() -> None:
    over = [
        ended(FRAUD, 1, RolloutState.FAILED),
        ended(CHURN, 3, RolloutState.PROMOTED),
        ended(FRAUD, 2, RolloutState.STOPPED, "9"),
        ended(HIDDEN, 4, RolloutState.PROMOTED),
    ]
    released = [
        Release(FRAUD, "8", "a" * 64, AT - 60, AT),  # told by its rollout
        Release(CHURN, "3", "b" * 64, AT + 600, AT),
        Release(CHURN, "3", "c" * 64, AT + 900, AT),  # recorded again
        Release(HIDDEN, "1", "d" * 64, AT, AT),
    ]
    titles = {FRAUD: "Fraud check", CHURN: "Churn"}
    told = version_events(over, released, titles, ZoneInfo("UTC"), AT + DAY)
    back = "The version before it answers all requests."
    assert [(one.at, one.sentence, one.is_proven) for one in told] == [
        (AT + 600, "Churn: a new version was released.", False),
        (AT + 3, "Churn: a new version answers all requests.", False),
        (AT + 2, f"Fraud check: a new version was withdrawn. {back}", False),
        (AT + 1, f"Fraud check: a new version was withdrawn, because it was worse. {back}", True),
    ]
    assert told[1].detail == "It was introduced step by step from Mon 07:00 on."
    assert not any(
        word in str(one.sentence) + one.detail for one in told for word in ("412", "ada", "e-value")
    )
