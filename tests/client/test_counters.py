"""Counts that are added to by many at once, by a handler in the middle of another addition, or both."""

import sys
import threading
from types import FrameType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from watchkeeper_client.counters import ACCEPTED, CHANGED, DROPPED, SENT, Counters, dropped

NAMES = (ACCEPTED, SENT, *DROPPED, *CHANGED)


def interrupted(counters: Counters, at: int) -> bool:
    """Add one, and one more before the instruction `at` of the addition, as a signal handler may.

    Whether the addition has so many instructions.
    """
    step = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal step
        if frame.f_code is not Counters.add.__code__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            step += 1
            if step == at:
                counters.add(SENT)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        counters.add(SENT)
    finally:
        sys.settrace(before)
    return step >= at


def test_a_handler_may_interrupt_an_addition_at_any_instruction() -> None:
    counters, at = Counters(), 1
    counters.add(SENT)
    while interrupted(counters, at):
        assert counters.totals()[SENT] == 1 + 2 * at, f"interrupted before instruction {at}"
        at += 1
    assert at > 10
    new, at = Counters(), 1
    while interrupted(new, at):
        assert new.totals()[SENT] == 2, f"the first addition, interrupted before instruction {at}"
        new, at = Counters(), at + 1


def test_threads_add_to_one_count_without_losing_any() -> None:
    counters = Counters()

    def work() -> None:
        for _ in range(2_000):
            counters.add(ACCEPTED)

    for _ in range(3):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert counters.totals()[ACCEPTED] == 3 * 4 * 2_000


@given(st.lists(st.tuples(st.sampled_from((*NAMES, "new")), st.integers(1, 10**9))))
def test_law_totals_are_sums_by_name_with_zeros(added: list[tuple[str, int]]) -> None:
    counters = Counters()
    for name, count in added:
        counters.add(name, count)
    totals = counters.totals()
    assert set(totals) == {*NAMES, *(name for name, _ in added)}
    assert all(total == sum(count for one, count in added if one == name) for name, total in totals.items())
    assert dropped(totals) == sum(count for name, count in added if name in DROPPED)
