"""What resident children of tests do."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from monitor.childprocess.messages import Ask


def serve(setup: str, ask: Ask) -> Callable[[str, bytes], Iterator[Any]]:
    """Answers by the word that is the request."""

    def answer(request: str, body: bytes) -> Iterator[Any]:
        if request == "ask":
            yield ask(body.decode())
        elif request == "where":
            yield os.getpid(), os.nice(0), os.getsid(0)
        elif request == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif request == "raise":
            raise RuntimeError(setup)
        elif request == "hang":
            time.sleep(600)
        elif request == "hoard":
            yield len(bytearray(2**30))
        else:
            yield from (setup, len(body))

    return answer
