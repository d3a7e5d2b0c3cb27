"""Stops several components at the same time, and waits for them until a deadline."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

_LONGEST_WAIT = threading.TIMEOUT_MAX


def in_time(stops: Sequence[Callable[[], object]], until: float) -> set[str]:
    """Call all of `stops` at once, each in a thread. Returns the names of those that have not returned at `until`, in
    seconds of the monotonic clock.
    """
    threads = [threading.Thread(target=_call, args=(stop,), name=f"stop {name_of(stop)}") for stop in stops]
    for thread in threads:
        thread.daemon = True
        thread.start()
    for thread in threads:
        thread.join(min(_LONGEST_WAIT, max(0.0, until - time.monotonic())))
    return {name_of(stop) for stop, thread in zip(stops, threads, strict=True) if thread.is_alive()}


def name_of(stop: Callable[[], object]) -> str:
    """The lower-case class name of the component that a bound method belongs to."""
    return type(getattr(stop, "__self__", stop)).__name__.lower()


def _call(stop: Callable[[], object]) -> None:
    try:
        stop()
    except Exception:  # the others still stop
        log.exception("%s did not shut down cleanly", name_of(stop))
