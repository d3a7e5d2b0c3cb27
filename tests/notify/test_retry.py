"""What follows a failed attempt."""

import pytest

from monitor.notify.delivery.retry import RESOLVE_FOR, next_attempt
from monitor.notify.failure import AttemptError, FailureKind
from monitor.records import Action, Delivery, Status

PAGE = Delivery("pagerduty", "k", 1, Action.TRIGGER, b"", 0.0, 0)


def delivery(attempts: int, action: Action = Action.TRIGGER, priority: int = 0) -> Delivery:
    return Delivery("pagerduty", "k", 1, action, b"", 0.0, priority, attempts=attempts)


def waits(kind: FailureKind, attempts: int, priority: int = 0, retry_after: float | None = None) -> float:
    failure = AttemptError("x", kind, retry_after=retry_after)
    return next_attempt(failure, delivery(attempts, priority=priority), 0.0, 1.0).not_before


def test_an_unreachable_channel_is_tried_after_ever_longer_waits_and_for_ever() -> None:
    assert [waits(FailureKind.UNREACHABLE, n) for n in range(9)] == [1, 2, 4, 8, 16, 30, 60, 60, 60]
    assert waits(FailureKind.UNREACHABLE, 10_000) == 60
    assert waits(FailureKind.UNREACHABLE, 20, priority=2) == 300


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_jitter_spreads_and_never_hurries_below_half(jitter: float) -> None:
    failure = AttemptError("x", FailureKind.UNREACHABLE)
    assert 15 <= next_attempt(failure, delivery(5), 0.0, jitter).not_before <= 30


def test_an_answer_that_asks_to_wait_is_obeyed_within_reason() -> None:
    assert waits(FailureKind.LIMITED, 0, retry_after=17) == 17
    assert waits(FailureKind.LIMITED, 0, retry_after=1e9) == 600
    assert [waits(FailureKind.LIMITED, n) for n in range(6)] == [30, 30, 30, 120, 300, 300]
    assert next_attempt(AttemptError("x", FailureKind.LIMITED), PAGE, 5.0, 0.0).pause == 35


def test_a_refused_message_shrinks_once_and_then_another_way_is_taken() -> None:
    refused = AttemptError("x", FailureKind.MALFORMED, code=400)
    assert next_attempt(refused, PAGE, 0.0, 0.0).shrink
    last = next_attempt(refused, PAGE, 0.0, 0.0, is_small=True)
    assert (last.status, last.fall_back) == (Status.DEAD, True)


def test_a_wrong_key_goes_another_way_now_and_is_tried_every_five_minutes() -> None:
    what = next_attempt(AttemptError("x", FailureKind.MISCONFIGURED, code=401), PAGE, 0.0, 0.0)
    assert (what.status, what.fall_back, what.not_before) == (Status.PENDING, True, 300)


def test_a_resolve_is_given_up_after_two_days_of_trying_and_left_to_the_comparison() -> None:
    failure, most = AttemptError("x", FailureKind.UNREACHABLE), round(RESOLVE_FOR / 60)
    assert next_attempt(failure, delivery(most, Action.RESOLVE), 0.0, 0.0).status is Status.PENDING
    assert next_attempt(failure, delivery(most + 1, Action.RESOLVE), 0.0, 0.0).status is Status.DEAD


def test_a_clock_that_jumps_two_days_ahead_gives_no_resolve_up() -> None:
    failure, end = AttemptError("x", FailureKind.UNREACHABLE), delivery(1, Action.RESOLVE)
    assert next_attempt(failure, end, end.created_at + 2 * RESOLVE_FOR, 0.0).status is Status.PENDING
