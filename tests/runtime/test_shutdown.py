"""At the end, what raises or hangs keeps nothing else from ending."""

import threading
import time

from monitor.runtime.shutdown import in_time


class Part:
    """Ends in some way."""

    def __init__(self, end: object) -> None:
        self._end, self.is_ended = end, False

    def stop(self) -> None:
        if isinstance(self._end, Exception):
            raise self._end
        if isinstance(self._end, threading.Event):
            self._end.wait(300)
        self.is_ended = True


def test_one_that_raises_and_one_that_hangs_keep_no_other_from_ending() -> None:
    over = threading.Event()
    parts = [Part(OSError(28, "No space left on device")), Part(over), Part(None)]
    began = time.monotonic()
    unfinished = in_time([part.stop for part in parts], began + 0.3)
    assert time.monotonic() - began < 150, "one part hangs for 300 seconds"
    assert unfinished == {"part"}
    assert parts[2].is_ended
    over.set()
