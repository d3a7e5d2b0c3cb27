"""Sends a notification with Apprise, in a child process that can be killed at a deadline.

Apprise's services open their own connections, without a total limit on time or size. This script reads one request
from standard input and writes one JSON answer to standard output.
"""

import contextlib
import json
import os
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

MOST_MEMORY = 1 << 30
"""Bytes of address space; limits endless responses."""


def main() -> None:
    """Answer `{"failed": [number, ...]}`, or `{"error": reason}` if nothing could be sent."""
    with contextlib.suppress(ValueError, OSError):  # a lower limit holds already
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    request = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # output of a service must not mix with the answer
    json.dump(notify(request), answer)
    answer.close()
    os._exit(0)  # do not wait for threads that a service left running


def notify(request: dict[str, Any]) -> dict[str, Any]:
    """Notify all addresses in parallel; the numbers of those that failed, from 1."""
    try:
        import apprise
    except ImportError:
        return {"error": "Apprise is not installed (pip install 'watchkeeper[apprise]')"}

    def send(url: str) -> bool:
        service = apprise.Apprise()
        if not service.add(url):
            return False
        return bool(
            service.notify(
                title=request["title"],
                body=request["body"],
                notify_type=request["type"],
                body_format=apprise.NotifyFormat.TEXT,
            )
        )

    unknown = [number for number, url in enumerate(request["urls"], 1) if not apprise.Apprise().add(url)]
    if unknown:
        return {"error": f"Apprise does not support address {unknown[0]}"}
    with ThreadPoolExecutor(max_workers=8) as threads:
        accepted = list(threads.map(send, request["urls"]))
    return {"failed": [number for number, is_accepted in enumerate(accepted, 1) if not is_accepted]}


if __name__ == "__main__":
    main()
