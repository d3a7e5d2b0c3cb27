"""Waiting for something real to become true: with a deadline, and with words when it does not."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, seconds: float = 300.0) -> T:
    """Ask again and again until the answer is truthy; fail with `what` after `seconds`.

    The longer it takes, the rarer the questions: a wait is at most a tenth longer than it has to be.
    """
    began = time.monotonic()
    while True:
        answer = condition()
        if answer:
            return answer
        waited = time.monotonic() - began
        assert waited < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(min(max(0.02, waited / 10), 0.25))
