"""What a client reads about a rollout: one plain sentence, and nothing about what is long over."""

from zoneinfo import ZoneInfo

import pytest

from monitor.rollouts.client_wording import sentence
from monitor.store.rollouts import RolloutState, Step

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
