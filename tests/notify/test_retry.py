"""What follows a failed attempt."""

import pytest

from monitor.notify.failure import AttemptError, Kind
from monitor.notify.retry import RESOLVE_FOR, after
from monitor.records import Action, Delivery, Status

PAGE = Delivery("pagerduty", "k", 1, Action.TRIGGER, b"", 0.0, 0)


def delivery(attempts: int, action: Action = Action.TRIGGER, priority: int = 0) -> Delivery:
    return Delivery("pagerduty", "k", 1, action, b"", 0.0, priority, attempts=attempts)


def waits(kind: Kind, attempts: int, priority: int = 0, retry_after: float | None = None) -> float:
    failure = AttemptError("x", kind, retry_after=retry_after)
    return after(failure, delivery(attempts, priority=priority), 0.0, 1.0).not_before


def test_an_unreachable_channel_is_tried_after_ever_longer_waits_and_for_ever() -> None:
    assert [waits(Kind.UNREACHABLE, n) for n in range(9)] == [1, 2, 4, 8, 16, 30, 60, 60, 60]
    assert waits(Kind.UNREACHABLE, 10_000) == 60
    assert waits(Kind.UNREACHABLE, 20, priority=2) == 300


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_jitter_spreads_and_never_hurries_below_half(jitter: float) -> None:
    failure = AttemptError("x", Kind.UNREACHABLE)
    assert 15 <= after(failure, delivery(5), 0.0, jitter).not_before <= 30


def test_an_answer_that_asks_to_wait_is_obeyed_within_reason() -> None:
    assert waits(Kind.LIMITED, 0, retry_after=17) == 17
    assert waits(Kind.LIMITED, 0, retry_after=1e9) == 600
    assert [waits(Kind.LIMITED, n) for n in range(6)] == [30, 30, 30, 120, 300, 300]
    assert after(AttemptError("x", Kind.LIMITED), PAGE, 5.0, 0.0).pause == 35


def test_a_refused_message_shrinks_once_and_then_another_way_is_taken() -> None:
    refused = AttemptError("x", Kind.MALFORMED, code=400)
    assert after(refused, PAGE, 0.0, 0.0).shrink
    last = after(refused, PAGE, 0.0, 0.0, is_small=True)
    assert (last.status, last.fall_back) == (Status.DEAD, True)


def test_a_wrong_key_goes_another_way_now_and_is_tried_every_five_minutes() -> None:
    what = after(AttemptError("x", Kind.MISCONFIGURED, code=401), PAGE, 0.0, 0.0)
    assert (what.status, what.fall_back, what.not_before) == (Status.PENDING, True, 300)


def test_a_resolve_is_given_up_after_two_days_of_trying_and_left_to_the_comparison() -> None:
    failure, most = AttemptError("x", Kind.UNREACHABLE), round(RESOLVE_FOR / 60)
    assert after(failure, delivery(most, Action.RESOLVE), 0.0, 0.0).status is Status.PENDING
    assert after(failure, delivery(most + 1, Action.RESOLVE), 0.0, 0.0).status is Status.DEAD


def test_a_clock_that_jumps_two_days_ahead_gives_no_resolve_up() -> None:
    failure, end = AttemptError("x", Kind.UNREACHABLE), delivery(1, Action.RESOLVE)
    assert after(failure, end, end.created_at + 2 * RESOLVE_FOR, 0.0).status is Status.PENDING
