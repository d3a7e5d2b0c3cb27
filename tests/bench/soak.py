"""A real daemon under steady load for an hour: is its memory flat?

`python -m tests.bench.soak [--minutes 60] [--rate 2000]` starts a daemon with three models, sends
them `--rate` predictions a second, prints its memory and that of its child processes each minute, and ends with 1 if
memory grew: if the median of the last quarter is more than a tenth, and more than 15 MB, above that of the second one.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx2
import numpy as np

from tests.support.daemon import Daemon

MODELS, FEATURES, AT_ONCE = 3, 5, 100
CONFIG = "notify: {console: false}\nwindows: {lateness: 10s}\n"
GROWN, LEAST = 1.1, 15


def resident(pid: int) -> int:
    """MB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    return int(status.split("VmRSS:")[1].split()[0]) // 1000 if "VmRSS:" in status else 0


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += map(int, (task / "children").read_text().split())
        except FileNotFoundError:  # the thread ended
            continue
    return found


class Sender(threading.Thread):
    """Sends predictions of one model at a steady rate."""

    def __init__(self, daemon: Daemon, model: int, rate: float, until: float) -> None:
        super().__init__(daemon=True)
        self._url, self._model, self._rate, self._until = daemon.url, model, rate, until
        self._rng = np.random.default_rng(model)
        self.sent = 0
        self.refused = 0

    def run(self) -> None:
        """Until the time is over; what is late is made up for."""
        began = time.monotonic()
        with httpx2.Client(base_url=self._url, timeout=30) as client:
            while (now := time.monotonic()) < self._until:
                due = began + (self.sent + self.refused) / self._rate
                if due > now:
                    time.sleep(due - now)
                answer = client.post("/v1/predictions", json=self._records())
                taken = answer.status_code in (200, 202)
                self.sent += AT_ONCE * taken
                self.refused += AT_ONCE * (not taken)

    def _records(self) -> list[dict[str, object]]:
        values = self._rng.normal(size=(AT_ONCE, FEATURES)).round(4).tolist()
        latencies = self._rng.gamma(9, 3, AT_ONCE).round(2).tolist()
        return [
            {
                "client": "acme",
                "model": f"model-{self._model}",
                "features": {f"f{number}": value for number, value in enumerate(row)},
                "prediction": "ok",
                "confidence": 0.9,
                "latency_ms": latency,
            }
            for row, latency in zip(values, latencies, strict=True)
        ]


def soak(minutes: float, rate: float) -> list[int]:
    """The daemon's memory at the end of each minute, MB."""
    seen: list[int] = []
    with tempfile.TemporaryDirectory() as folder, Daemon(Path(folder), CONFIG, loads_itself=True) as daemon:
        until = time.monotonic() + 60 * minutes
        senders = [Sender(daemon, model, rate / MODELS, until) for model in range(MODELS)]
        for sender in senders:
            sender.start()
        minute, largest = time.monotonic() + 60, 0
        while time.monotonic() < until:
            time.sleep(1)
            largest = max([largest, *map(resident, children(daemon.pid))])
            if time.monotonic() >= minute:
                minute += 60
                seen.append(resident(daemon.pid))
                sent, refused = (sum(getattr(one, name) for one in senders) for name in ("sent", "refused"))
                print(
                    f"{len(seen):3} min  {seen[-1]:4} MB  largest child {largest:4} MB"
                    f"  {sent:,} taken, {refused:,} refused",
                    flush=True,
                )
                largest = 0
        for sender in senders:
            sender.join()
    return seen


def is_flat(seen: list[int]) -> bool:
    """Whether the last quarter is not above the second one."""
    quarter = max(len(seen) // 4, 1)
    before, after = statistics.median(seen[quarter : 2 * quarter] or seen), statistics.median(seen[-quarter:])
    return after <= max(before * GROWN, before + LEAST)


def main() -> None:
    """Run it, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=2000.0)
    chosen = parser.parse_args()
    seen = soak(chosen.minutes, chosen.rate)
    flat = is_flat(seen)
    print(
        f"{'flat' if flat else 'GROWN'}: {seen[0]} MB after a minute, {seen[-1]} MB at the end, {max(seen)} MB at most"
    )
    sys.exit(0 if flat else 1)


if __name__ == "__main__":
    main()
