"""Erases what a relay holds of a client: requests that wait, were sent lately, or are set aside."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from monitor.errors import WatchkeeperError
from monitor.relay import frames
from monitor.relay.buffer import QUEUES, lock
from monitor.relay.request_queue import SUFFIX, numbers, segment_path
from monitor.relay.set_aside import AGAIN, ASIDE
from monitor.relay.settings import RelaySettings


def erase(settings: RelaySettings, client: str) -> Mapping[str, int]:
    """Delete all requests of a client; the bytes deleted by the name of their key. Files are not overwritten.

    Requests of a key that is no longer in the file belong to the client that they were taken for.

    Raises:
        WatchkeeperError: the relay runs.
        OSError: a file cannot be deleted.
    """
    folder = Path(settings.folder)
    if not folder.is_dir():
        return {}
    held = lock(folder)
    if held < 0:
        raise WatchkeeperError(f"a relay uses the folder {folder}", hint="stop it first")
    try:
        return {
            queue.name: _delete(queue)
            for queue in sorted((folder / QUEUES).glob("*"))
            if queue.is_dir() and _client_of(settings, queue) == client
        }
    finally:
        os.close(held)


def _client_of(settings: RelaySettings, queue: Path) -> str:
    """The client whose requests are in a queue; empty if there is no request that can be read."""
    if queue.name in settings.keys:
        return settings.keys[queue.name].client
    segments = [segment_path(queue, number) for number in numbers(queue)]
    for name in (ASIDE, AGAIN):
        segments += sorted((queue / name).glob(f"*{SUFFIX}"))
    for path in segments:
        frame = frames.read(path, frames.START, path.stat().st_size)
        if frame is not None:
            return frame.request.client
    return ""


def _delete(queue: Path) -> int:
    size = sum(path.stat().st_size for path in queue.rglob("*") if path.is_file())
    shutil.rmtree(queue)
    return size
