"""The steps of a rollout as timelines: what happens when, and why."""

from dataclasses import replace

import pytest

from monitor.errors import InputError
from monitor.records import Stream
from monitor.rollouts.next_step import StepDecision, first_step, next_step, stopped
from monitor.rollouts.plan import BLUE_GREEN, DEFAULT, HALF, parse_plan, written
from monitor.rollouts.verdict import Outcome, Verdict
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep, Stage

START = 1_795_420_800.0
PLAN = parse_plan(DEFAULT, 60)
ROLLOUT = Rollout(Stream("acme", "fraud"), 1, "8", "7", PLAN, START, "ada")
FIRST = first_step(ROLLOUT)


def verdict(
    outcome: Outcome = Outcome.PASS, minutes: float = 0, since: float = START, **fields: object
) -> Verdict:
    starts = tuple(since + 60.0 * minute for minute in range(int(minutes)))
    return replace(Verdict(outcome, f"{outcome} it is", "8", "7", age=5.0, minutes=starts), **fields)  # type: ignore[arg-type]


def decide(
    last: RolloutStep, after: float, found: Verdict, rollout: Rollout = ROLLOUT, unapproved: str = ""
) -> StepDecision:
    return next_step(rollout, last, found, last.at + after, 60, unapproved)


def test_the_default_plan_goes_up_to_the_whole_traffic_step_by_step() -> None:
    shares, last, hours = [FIRST.share], FIRST, 0.0
    while last.state is RolloutState.RUNNING:
        seconds = PLAN[last.stage].seconds
        early = decide(last, seconds - 1, verdict(minutes=60, since=last.at))
        assert early.step is None
        assert "to go" in early.reason
        step = decide(last, seconds, verdict(minutes=60, since=last.at)).step
        assert step is not None
        assert step.number == last.number + 1
        hours += seconds / 3600
        last = step
        shares.append(last.share)
    assert shares == [5, 10, 25, 50, 100, 100]
    assert last.state is RolloutState.PROMOTED
    assert hours == 1.5


def test_a_proof_ends_a_rollout_at_once_and_nothing_follows() -> None:
    found = decide(FIRST, 200, verdict(Outcome.FAIL))
    assert found.step is not None
    assert (found.step.state, found.step.share) == (RolloutState.FAILED, 0.0)
    assert found.reason == "version 8 is worse: fail it is"
    assert decide(found.step, 6000, verdict(minutes=600)).step is None


def test_what_cannot_be_told_holds_the_share_however_long_it_lasts() -> None:
    for after in (60, 600, 86_400):
        held = decide(FIRST, after, verdict(Outcome.INCONCLUSIVE))
        assert held.step is None
    assert held.reason == "at 5 %, held: inconclusive it is"


def test_time_in_which_the_daemon_was_off_is_not_time_in_which_the_canary_was_watched() -> None:
    held = decide(FIRST, 7200, verdict(minutes=3))
    assert held.step is None
    assert held.reason == "at 5 %, held: version 8 answered in 3m of this stage; 6m needed"
    assert decide(FIRST, 7200, verdict(minutes=9)).step is not None


def test_a_canary_that_nobody_asks_waits_and_the_switch_is_named() -> None:
    found = decide(FIRST, 7200, verdict(Outcome.INCONCLUSIVE, age=None))
    assert found.step is None
    assert found.reason.endswith("does the switch poll its share?")


def test_a_canary_that_dies_loses_its_traffic_but_only_while_the_other_version_answers() -> None:
    silent = verdict(Outcome.INCONCLUSIVE, age=240.0)
    assert decide(FIRST, 300, silent).step is None, "nobody answers: that may be our own outage"
    found = decide(FIRST, 300, replace(silent, unheard=900.0))
    assert found.step is not None
    assert (found.step.state, found.step.share) == (RolloutState.STOPPED, 0.0)
    assert "has stopped answering, while version 7 gave 900 answers" in found.reason
    few = decide(FIRST, 300, replace(silent, unheard=400.0))
    assert few.step is None, "of 400 answers at 5 % the canary would have given 21"
    alone = replace(FIRST, share=100.0, stage=4)
    assert decide(alone, 300, replace(silent, unheard=900.0)).step is None


def test_a_clock_that_is_set_back_starts_the_stage_again_instead_of_waiting_for_days() -> None:
    found = decide(FIRST, -86_400, verdict())
    assert found.step is not None
    assert (found.step.share, found.step.state, found.step.at) == (5, RolloutState.RUNNING, START - 86_400)
    assert found.reason == "the clock was set back by 1d: the stage starts again"
    assert decide(found.step, 30, verdict()).step is None
    assert decide(FIRST, -2, verdict()).step is None, "clocks of two daemons differ"


def test_without_an_approval_the_share_rises_up_to_the_step_to_all_traffic_and_is_held_there() -> None:
    missing, last = "version 8 was declined by eve (client)", FIRST
    for _ in range(3):
        step = decide(last, 1800, verdict(minutes=60, since=last.at), unapproved=missing).step
        assert step is not None
        last = step
    assert last.share == 50
    for after in (1800, 86_400):
        held = decide(last, after, verdict(minutes=1440, since=last.at), unapproved=missing)
        assert held == StepDecision(None, f"at 50 %, held: {missing}")
    early = decide(last, 60, verdict(minutes=1, since=last.at), unapproved=missing)
    assert "to go" in early.reason, "what is missing first is said first"
    failed = decide(last, 1800, verdict(Outcome.FAIL), unapproved=missing).step
    assert failed is not None
    assert failed.state is RolloutState.FAILED, "a proof needs no approval"
    approved = decide(last, 86_400, verdict(minutes=1440, since=last.at)).step
    assert approved is not None
    assert approved.share == 100


def test_an_approval_that_is_withdrawn_at_all_traffic_holds_the_promotion() -> None:
    alone = replace(FIRST, share=100.0, stage=4)
    held = decide(alone, 1800, verdict(minutes=60, since=alone.at), unapproved="it was declined")
    assert held == StepDecision(None, "at 100 %, held: it was declined")
    step = decide(alone, 1800, verdict(minutes=60, since=alone.at)).step
    assert step is not None
    assert step.state is RolloutState.PROMOTED


def test_a_person_stops_a_rollout() -> None:
    step = stopped(FIRST, "ada", START + 60)
    assert (step.number, step.state, step.share, step.reason) == (
        2,
        RolloutState.STOPPED,
        0.0,
        "stopped by ada",
    )


def test_blue_green_is_one_switch() -> None:
    rollout = replace(ROLLOUT, plan=parse_plan(BLUE_GREEN, 60))
    first = first_step(rollout)
    assert first.share == 100
    assert decide(first, 3599, verdict(minutes=60), rollout).step is None
    step = decide(first, 3600, verdict(minutes=60), rollout).step
    assert step is not None
    assert step.state is RolloutState.PROMOTED


@pytest.mark.parametrize("text", [DEFAULT, HALF, BLUE_GREEN, "0.5:1h,100:1h", "33.3:30s,50:2h,100:1d"])
def test_a_plan_is_written_as_it_is_read(text: str) -> None:
    assert parse_plan(written(parse_plan(text, 30)), 30) == parse_plan(text, 30)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'' is not a step"),
        ("5", "'5' is not a step"),
        ("5:ten,100:1h", "'5:ten' is not a step"),
        ("nan:10m,100:1h", "is not a share of the traffic"),
        ("0:10m,100:1h", "is not a share of the traffic"),
        ("5:10m,200:1h", "is not a share of the traffic"),
        ("5:10m", "do not rise to 100"),
        ("50:10m,5:10m,100:1h", "do not rise to 100"),
        ("5:10m,5:10m,100:1h", "do not rise to 100"),
        ("5:1s,100:1h", "the stage of 5 % is shorter than a window of 1m"),
        ("5:5m,100:5m", "takes 10m in total; to promote a version takes 30m"),
        ("5:9000d,100:1h", "is not between a second and 30 days long"),
        ("\u202e5:10m,100:1h", "is not a step"),
        (",".join(f"{n}:10m" for n in range(1, 101)), "100 stages are more than 50"),
        ("9" * 10_000, "..."),
    ],
)
def test_a_wrong_plan_is_refused_with_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_plan(text, 60)
    assert told in str(caught.value)


def test_a_plan_may_be_as_short_as_its_windows_allow() -> None:
    assert parse_plan("25:1m,100:90s", 5) == (Stage(25, 60), Stage(100, 90))
