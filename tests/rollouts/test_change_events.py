"""Steps of rollouts as change events: one per channel and step, however often it is composed."""

import json

import pytest

from monitor.alerts.changes.change_event import change_events
from monitor.alerts.settings import AlertSettings
from monitor.records import Action, Stream
from monitor.rollouts.change_events import change
from monitor.rollouts.plan import DEFAULT, parse_plan
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep

ROLLOUT = Rollout(Stream("acme", "fraud"), 3, "8\u202e", "7", parse_plan(DEFAULT, 60), 1_795_420_800.0, "ada")


def step(number: int, state: RolloutState, share: float) -> RolloutStep:
    return RolloutStep(number, 1_795_421_400.0, state, 1, share, "a pass: 0.9% of 1,350 fail" * 40)


@pytest.mark.parametrize(
    ("state", "share", "said"),
    [
        (RolloutState.RUNNING, 25.0, "receives 25 % of the requests"),
        (RolloutState.PROMOTED, 100.0, "is promoted"),
        (RolloutState.FAILED, 0.0, "is worse and was withdrawn"),
        (RolloutState.STOPPED, 0.0, "was withdrawn"),
    ],
)
def test_a_step_is_told_to_each_channel_once(state: RolloutState, share: float, said: str) -> None:
    made = change_events(change(ROLLOUT, step(2, state, share)), ["pagerduty", "slack"], AlertSettings(), 5.0)
    assert [one.channel for one in made] == ["pagerduty", "slack"]
    assert {one.action for one in made} == {Action.CHANGE}
    assert len({one.key for one in made}) == 1
    told = json.loads(made[0].body)
    assert said in told["title"]
    assert "\u202e" not in told["title"]
    assert len(told["reason"]) <= 400
    again = change_events(change(ROLLOUT, step(2, state, share)), ["pagerduty"], AlertSettings(), 99.0)
    assert again[0].key == made[0].key
    other = change_events(change(ROLLOUT, step(3, state, share)), ["pagerduty"], AlertSettings(), 5.0)
    assert other[0].key != made[0].key


def test_nobody_is_told_without_a_channel() -> None:
    assert change_events(change(ROLLOUT, step(2, RolloutState.FAILED, 0.0)), [], AlertSettings(), 5.0) == []
