"""The state of a relay, read from its folder, whether it runs or not."""

from pathlib import Path

import msgspec

from monitor.relay import set_aside
from monitor.relay.buffer import QUEUES, is_held
from monitor.relay.forwarding import state_in
from monitor.relay.request_queue import waiting_in


class KeyStatus(msgspec.Struct, frozen=True):
    """The requests of one key. `oldest_seconds` is the age of the oldest that waits; None if none does. Counts are
    since the start of the relay.
    """

    key: str
    waiting_bytes: int
    oldest_seconds: float | None
    sent: int
    last_sent_at: float
    error: str
    rejected_records: int
    rejected: str
    set_aside: list[str]
    set_aside_reason: str
    resend_window: float


class RelayStatus(msgspec.Struct, frozen=True):
    """The state of a relay."""

    is_running: bool
    waiting_bytes: int
    buffer_bytes: int
    keys: list[KeyStatus]

    @property
    def is_well(self) -> bool:
        """Whether it runs, the daemon takes what it sends, and nothing is set aside."""
        return self.is_running and not any(key.error or key.set_aside for key in self.keys)


def status_of(folder: Path, limit: int, now: float) -> RelayStatus:
    """The state of the relay with this folder.

    Raises:
        OSError: it cannot be read.
    """
    queues = sorted(path for path in (folder / QUEUES).glob("*") if path.is_dir())
    keys = [_key(path, now) for path in queues]
    return RelayStatus(is_held(folder), sum(key.waiting_bytes for key in keys), limit, keys)


def retry(folder: Path) -> int:
    """Have everything that is set aside sent once more; the number of requests.

    Raises:
        OSError: a file cannot be moved.
    """
    return sum(set_aside.retry(path) for path in (folder / QUEUES).glob("*") if path.is_dir())


def _key(folder: Path, now: float) -> KeyStatus:
    waiting, first = waiting_in(folder)
    state, refused = state_in(folder), set_aside.in_folder(folder)
    return KeyStatus(
        folder.name,
        waiting,
        max(0.0, now - first.request.received_at) if first is not None else None,
        state.sent,
        state.last_sent_at,
        state.error,
        state.rejected_records,
        state.rejected,
        [str(path) for path, _ in refused],
        refused[-1][1] if refused else "",
        state.resend_window,
    )
