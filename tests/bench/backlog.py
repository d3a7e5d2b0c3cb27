"""What live requests wait while a source works a backlog off: `python -m tests.bench.backlog [--messages 1000000]`.

One daemon reads a Redis stream whose messages were there before it, and answers six single predictions a second. Prints
the time of the backlog, the memory, and the response times. Ends with 1 if the 99th percentile is above the goal.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from monitor.store import source_states
from monitor.store.db import Store
from tests.bench.brokers import _cpu as cpu_of
from tests.bench.brokers import body, section, send
from tests.support.broker_servers import RedisServer
from tests.support.daemon import Daemon

GOAL_MS = 250.0
EVERY = 1 / 6
"""Seconds between two live predictions."""
_AT_ONCE = 5000


def accepted(store: Store) -> int:
    """Records that the source has stored, as the daemon writes it down for commands."""
    with store.read() as connection:
        return sum(state.accepted for state in source_states.load(connection, time.time()))


def resident(pid: int) -> int:
    """Bytes of memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def work_off(messages: int, seconds: float) -> bool:
    """Whether live requests were answered in time until the backlog was gone."""
    with tempfile.TemporaryDirectory() as found:
        folder = Path(found)
        (folder / "redis").mkdir()
        server = RedisServer(folder / "redis")
        server.start()
        try:
            for at in range(0, messages, _AT_ONCE):
                send("redis", server, [body(number) for number in range(at, at + _AT_ONCE)], at)
            orders = {"orders": {"kind": "redis", **section("redis", server.port)}}
            with Daemon(folder, f"notify: {{console: false}}\nsources: {json.dumps(orders)}\n") as daemon:
                return _watched(daemon, messages, seconds)
        finally:
            server.kill()


def _watched(daemon: Daemon, messages: int, seconds: float) -> bool:
    began, waited, memory, done = time.monotonic(), list[float](), 0, 0
    store = Store(daemon.store_url)
    while done < messages and time.monotonic() < began + seconds:
        due = began + EVERY * (len(waited) + 1)
        time.sleep(max(0.0, due - time.monotonic()))
        live = {"client": "acme", "model": "live", "id": f"live-{len(waited)}", "prediction": "ok"}
        sent = time.perf_counter()
        daemon.post("/v1/predictions", [live]).raise_for_status()
        waited.append(1000 * (time.perf_counter() - sent))
        if len(waited) % 12 == 0:
            done, memory = accepted(store), max(memory, resident(daemon.pid))
    took, used = time.monotonic() - began, cpu_of(daemon.pid)
    store.close()
    middle, late = np.percentile(waited, [50, 99])
    print(
        f"{done:,} messages in {took:.0f} s, {used:.0f} s of CPU, at most {memory / 1e6:.0f} MB; "
        f"{len(waited)} responses: median {middle:.0f} ms, p99 {late:.0f} ms, slowest {max(waited):.0f} ms",
        flush=True,
    )
    return bool(late <= GOAL_MS)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=600.0)
    given = parser.parse_args()
    return int(not work_off(given.messages, given.seconds))


if __name__ == "__main__":
    sys.exit(main())
