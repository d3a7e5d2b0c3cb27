"""A second daemon as the target: same settings, same disk, a database of its own that is deleted afterwards.

It has no channels, no sources and no other clients, so a load test cannot page, count or overwrite anything.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from monitor.config.root import Config
from monitor.errors import WatchkeeperError
from monitor.loadtest.lag import longest_lag
from monitor.loadtest.payloads import Shape, bodies
from monitor.loadtest.stage import StageLoad
from monitor.loadtest.target import Target, head
from monitor.outgoing.persistent import Answer, Peer
from monitor.records import Stream
from monitor.store import profiles
from monitor.store.db import Store
from monitor.store.temporary_database import TemporaryDatabase
from monitor.visible import one_line
from monitor.windows import baseline as baselines
from monitor.windows.baseline import Baseline

_SECTIONS = ("evaluate", "predictions", "windows", "metrics", "drift")
_OF_MODEL = ("title", "task", "target", "targets", "environment")
_READY = 60.0
_STOPPED = 15.0
_PR_SET_PDEATHSIG = 1
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def running(
    where: TemporaryDatabase,
    config: Config,
    written: Mapping[str, Any],
    stream: Stream,
    baseline: Baseline,
    shape: Shape,
    batch: int,
) -> Iterator[Target]:
    """The daemon, started, with the model's baseline. `written` is the configuration file's content.

    Raises:
        WatchkeeperError: it does not start.
    """
    with where.store.write() as connection:
        baselines.save(connection, baseline, time.time())
    path = where.folder / "watchkeeper.yaml"
    text = json.dumps(_settings(where, config, written, stream)).replace("$", "$$")
    path.write_text(text, encoding="utf-8")
    log = where.folder / "daemon.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this program itself
            [sys.executable, "-m", "monitor", "run", "--config", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the load test
            preexec_fn=_end_with_parent,
        )
    try:
        port = _port(process, log)
        watch = DaemonWatch(process.pid, where.store, stream, int(config.predictions.base_window), batch)
        request = head("POST", "/v1/predictions", "127.0.0.1", ((b"Content-Type", b"application/json"),))
        body = bodies(lambda row: [_record(stream, shape, row * batch + at) for at in range(batch)])
        yield Target(
            "the daemon", Peer("127.0.0.1", port, "127.0.0.1"), lambda n: request(body(n)), _refused, watch
        )
    finally:
        _stop(process)


def _settings(
    where: TemporaryDatabase, config: Config, written: Mapping[str, Any], stream: Stream
) -> dict[str, Any]:
    """The configuration of the second daemon: only what determines how it counts, measures and judges this model."""
    model = ((written.get("clients") or {}).get(stream.client) or {}).get("models") or {}
    kept = {name: value for name, value in (model.get(stream.model) or {}).items() if name in _OF_MODEL}
    files = [str(file) for file in config.rules.files]
    key = {"key": where.store.key} if where.store.key else {}
    return {
        "store": {"url": where.store.url.render_as_string(hide_password=False), **key},
        "web": {"listen": "127.0.0.1:0"},
        "log": {"format": "json"},
        **{name: written[name] for name in _SECTIONS if name in written},
        "rules": {**(written.get("rules") or {}), "files": files},
        "reports": {"folder": str(where.folder / "reports")},
        "notify": {"console": False, "spool": str(where.folder / "spool")},
        "clients": {stream.client: {"models": {stream.model: kept}}},
    }


def _record(stream: Stream, shape: Shape, number: int) -> dict[str, Any]:
    at = number % len(shape.features)
    record = {
        "id": "$id",
        "client": stream.client,
        "model": stream.model,
        "environment": stream.environment,
        "features": shape.features[at],
        "prediction": "ok",
        "latency_ms": 20.0,
        **{name: value for name, value in shape.answers[at].items() if value is not None},
    }
    return record | ({"segments": shape.segments[at]} if shape.segments[at] else {})


def _refused(answer: Answer) -> str:
    if answer.status == 202 and b'"rejected":[]' in answer.body:
        return ""
    try:
        content = json.loads(answer.body)
        reason = content.get("error") or content["rejected"][0]["reason"]
    except (ValueError, LookupError, AttributeError, TypeError):
        reason = ""
    return f"HTTP {answer.status}" + (f": {one_line(str(reason))[:80]}" if reason else "")


class DaemonWatch:
    """The processor time of a daemon, and how far its counting is behind."""

    def __init__(self, pid: int, store: Store, stream: Stream, base: int, batch: int) -> None:
        self._pid, self._store, self._stream, self._base, self._batch = pid, store, stream, base, batch
        self._accepted: list[float] = []
        self._samples: list[tuple[float, float]] = []
        self._cpu, self._at = 0.0, 0.0

    def begin(self) -> None:
        """A stage begins."""
        self._cpu, self._at = self._seconds(), time.monotonic()
        self._samples = []

    async def look(self) -> None:
        """Note how many records are counted."""
        with contextlib.suppress(SQLAlchemyError, WatchkeeperError):
            rows = await asyncio.to_thread(self._counted)
            self._samples.append((time.monotonic(), rows / self._batch))

    def end(self, accepted: list[float]) -> StageLoad:
        """What was seen since `begin`."""
        self._accepted += accepted
        cores = (self._seconds() - self._cpu) / max(1e-9, time.monotonic() - self._at)
        return StageLoad(cores, longest_lag(self._accepted, self._samples))

    def _counted(self) -> int:
        with self._store.read() as connection:
            return profiles.rows_within(connection, self._stream, self._base, 0, time.time() + 7200)

    def _seconds(self) -> float:
        """Seconds of processor time that the daemon has used."""
        try:
            fields = (
                Path(f"/proc/{self._pid}/stat")
                .read_text(encoding="ascii", errors="replace")
                .rpartition(")")[2]
            )
        except OSError:
            return 0.0
        return sum(map(int, fields.split()[11:13])) / _TICKS


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """The port that the daemon listens at, when it does."""
    until = time.monotonic() + _READY
    while time.monotonic() < until and process.poll() is None:
        for line in log.read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and event.get("msg") == "started":
                    return int(str(event["listen"]).rpartition(":")[2])
        time.sleep(0.05)
    output = one_line(log.read_text(encoding="utf-8", errors="replace")[-500:])
    raise WatchkeeperError("the second daemon does not start", hint=output)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOPPED)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
