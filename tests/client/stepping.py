"""A sender that a test steps, with a clock that a test moves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watchkeeper_client.counters import Counters
from watchkeeper_client.delivery.queue import Item, RecordQueue
from watchkeeper_client.delivery.sender import Sender
from watchkeeper_client.delivery.spool import Spool
from watchkeeper_client.problems import Problems
from watchkeeper_client.protocol.address import read_address
from watchkeeper_client.protocol.transport import Transport
from watchkeeper_client.settings import Limits


class Stepped:
    """A queue and its sender."""

    def __init__(self, url: str, spool: Path | None = None, limits: Limits | None = None) -> None:
        self.now = 1_000.0
        self.limits = limits or Limits(request_timeout=2.0)
        self.queue = RecordQueue(self.limits.queue_records, self.limits.queue_bytes)
        self.counts = Counters()
        self.transport = Transport(read_address(url))
        self.spool = Spool(spool, self.limits.spool_bytes) if spool else None
        self.sender = Sender(
            self.queue, self.transport.post, self.spool, self.limits, "wk_key", self.counts,
            Problems(lambda: self.now), lambda: self.now,
        )  # fmt: skip

    def put(self, *ids: str, **fields: object) -> list[str]:
        """Queue a prediction for each id; why some were not taken."""
        record = {"client": "acme", "model": "m", "prediction": "ok", **fields}
        refusals = [self.queue.put(Item("predictions", {"id": one, **record}, 1, 1_000)) for one in ids]
        return [one for one in refusals if one]

    def step(self, seconds: float = 0.0, flush: bool = False) -> float | None:
        """Let time pass and step; seconds until the sender wants to step again, None where it does not."""
        self.now += seconds
        due = self.sender.step(flush)
        return None if due is None else due - self.now

    def totals(self) -> dict[str, int]:
        return self.counts.totals()


@contextmanager
def stepped(url: str, spool: Path | None = None, limits: Limits | None = None) -> Iterator[Stepped]:
    made = Stepped(url, spool, limits)
    try:
        yield made
    finally:
        made.transport.close()
        if made.spool is not None:
            made.spool.close()
