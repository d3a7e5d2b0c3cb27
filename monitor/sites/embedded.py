"""A site inside the process of a model: one SQLite file, no server, no network.

`record` only queues; a thread stores, counts and forgets. Nothing here raises into the caller but the constructor and
`bundle`. After a fork, a child goes on with a connection and a thread of its own.
"""

import logging
import os
import sys
import threading
import uuid
import weakref
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import msgspec

from monitor.clock import Clock, SystemClock
from monitor.config.units import DAY
from monitor.errors import BusyError, InputError, StoreError, WatchkeeperError
from monitor.maintenance.retention import delete_expired
from monitor.predictions.intake import parse
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.requests import IntakeResult
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.outcomes.join import expire_outcomes
from monitor.predictions.settings import PredictionSettings
from monitor.records import Rejected, Stream
from monitor.runtime.file_modes import make_private
from monitor.runtime.imports import without_pandas
from monitor.sites import keys
from monitor.sites.bundling import Bundler, ensure
from monitor.sites.settings import SiteSettings, flaw_of_site
from monitor.store import streams
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.settings import StoreSettings
from monitor.text_limits import flaw_of_name
from monitor.windows.baseline import save
from monitor.windows.baseline_from_table import from_file
from monitor.windows.counting import count_new
from monitor.windows.settings import WindowSettings

log = logging.getLogger(__name__)

MOST_WAITING = 10_000
"""Records that wait in memory; further ones are dropped and counted."""
_AT_ONCE = 500
_EVERY = 1.0
_EXPIRE_EVERY = 3600.0
_WITHIN = 30.0
_LIVE: "weakref.WeakSet[Embedded]" = weakref.WeakSet()


class Embedded:
    """Records predictions of one model, counts them, and makes the bundles of a site.

    `file` is the database; the key `<file>.key` and the folder `<file>.outbox` are beside it. `public_key` is what the
    agency needs. `baseline` is a file with the training data, as for `watchkeeper baseline set`. Records are kept for
    `keep` seconds, so that outcomes find them; counts for 400 days. `encrypt_for` is the agency's public key.
    Where pandas is installed, Arrow loads it. With `load_pandas=False` it does not, which saves 60 MB; then nothing in
    this process can convert Arrow tables to pandas.

    Raises:
        InputError: a name is not valid, or the database belongs to another site.
        StoreError: the file cannot be used.
    """

    def __init__(
        self,
        file: str | os.PathLike[str],
        *,
        site: str,
        client: str,
        model: str,
        environment: str = "production",
        version: str = "",
        baseline: str | os.PathLike[str] = "",
        base_window: float = 60.0,
        keep: float = float(DAY),
        encrypt_for: str = "",
        load_pandas: bool = True,
        clock: Clock | None = None,
    ) -> None:
        for what, name, flaw in (
            ("site", site, flaw_of_site(site)),
            ("client", client, flaw_of_name(client)),
            ("model", model, flaw_of_name(model)),
            ("environment", environment, flaw_of_name(environment)),
        ):
            if flaw:
                raise InputError(f"the {what} {name[:60]!r} {flaw}")
        if not load_pandas and "pandas" not in sys.modules:
            without_pandas()
        path = Path(file)
        self.clock = clock or SystemClock()
        self.problem = ""
        """Why the last records could not be stored; empty if they could."""
        self.counts: Counter[str] = Counter()
        """How many records were `stored`, `rejected` and `dropped`."""
        self._fields = {"client": client, "model": model, "environment": environment, "version": version}
        self._stream = Stream(client, model, environment)
        self._predictions = PredictionSettings(base_window=base_window, retention=keep)
        self._windows = WindowSettings()
        self._site = SiteSettings(
            name=site, key=f"{path}.key", outbox=f"{path}.outbox", encrypt_for=encrypt_for
        )
        self._url = f"sqlite:///{path.absolute()}"
        self._store = Store(self._url)
        self._base = int(base_window)
        self._is_held = False
        self._prepare(path, Path(baseline) if baseline else None)
        self._begin()
        _LIVE.add(self)

    def _prepare(self, path: Path, baseline: Path | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        migrate(self._store)
        make_private(path)
        key = Path(self._site.key)
        self.public_key = (
            keys.public_of(keys.load(key, keys.SIGNING), keys.SIGNING)
            if key.exists()
            else keys.create(key, keys.SIGNING)
        )
        ensure(self._store, self._site, self._base)
        if baseline is not None:
            made = from_file(self._stream, baseline, self.clock.now(), with_relations=True)
            with self._store.write() as connection:
                save(connection, made, self.clock.now())

    def _begin(self) -> None:
        """Start to store; also in a child after a fork, where threads and locks of the parent do not go on."""
        self._waiting: dict[RecordKind, deque[dict[str, Any]]] = {
            kind: deque() for kind in (RecordKind.PREDICTIONS, RecordKind.OUTCOMES)
        }
        self._again: dict[RecordKind, tuple[str, int]] = {}
        self._wake = threading.Event()
        self._done = threading.RLock()
        self._is_closed = False
        self._expired_at = -_EXPIRE_EVERY
        self._log = PredictionLog(self._store, self._predictions, self.clock)
        self._thread = threading.Thread(target=self._run, name="watchkeeper-embedded", daemon=True)
        self._log.start()
        self._thread.start()

    def record(self, **fields: Any) -> None:
        """Queue a prediction: `prediction` or `error`, `features`, `id`, `confidence`, `latency_ms`, `segments`, ... as
        docs/ingest.md describes. The time is now unless `timestamp` says otherwise. Takes some microseconds.
        """
        self._queue(RecordKind.PREDICTIONS, fields)

    def outcome(self, id: str, **fields: Any) -> None:  # noqa: A002 - the field's name
        """Queue what became known of an earlier prediction: `truth`, `reviewed`, `corrected` or `feedback`."""
        self._queue(RecordKind.OUTCOMES, {"id": id, **fields})

    def _queue(self, kind: RecordKind, fields: dict[str, Any]) -> None:
        waiting = self._waiting[kind]
        if self._is_closed or len(waiting) >= MOST_WAITING:
            self.counts["dropped"] += 1
            return
        fields.setdefault("timestamp", self.clock.now())
        waiting.append(fields)
        if len(waiting) >= _AT_ONCE:
            self._wake.set()

    def flush(self) -> bool:
        """Store and count everything that waits; False if that failed (see `problem`)."""
        with self._done:
            for kind, waiting in self._waiting.items():
                while waiting and self._store_some(kind):
                    pass
            try:
                count_new(self._store, self._windows, self.clock.now())
            except StoreError as error:
                self.problem = str(error)
                return False
        return not any(self._waiting.values())

    def bundle(self, folder: str | os.PathLike[str] | None = None) -> list[Path]:
        """Flush, and make bundles of what changed since the last ones; their files, in `folder` if it is named.

        Raises:
            InputError: the site has no key.
            StoreError: the database cannot be used.
            OSError: a file cannot be written.
        """
        with self._done:
            self.flush()
            bundler = Bundler(self._store, self._site, self._windows, self._base)
            made = bundler.make(self.clock.now())
        if folder is None:
            return list(made.paths)
        return [bundler.outbox.deliver(path, Path(folder)) for path in made.paths]

    def close(self) -> None:
        """Store what waits, and end the thread."""
        if self._is_closed:
            return
        self._is_closed = True
        self._wake.set()
        self._thread.join(timeout=_WITHIN)
        self.flush()
        self._log.stop()
        self._store.close()

    def __enter__(self) -> "Embedded":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._is_closed:
            self._wake.wait(_EVERY)
            self._wake.clear()
            with self._store.faults.isolate("thread", "embedded"):
                try:
                    self.flush()
                    self._expire()
                except StoreError as error:  # a full or locked disk: records wait, up to the limit
                    self.problem = str(error)

    def _store_some(self, kind: RecordKind) -> bool:
        """Store the next records of a kind; False if they have to wait."""
        waiting = self._waiting[kind]
        key, size = self._again.pop(kind, (uuid.uuid4().hex, min(len(waiting), _AT_ONCE)))
        some = [waiting[place] for place in range(size)]
        answer = self._stored(kind, some, key)
        if isinstance(answer, StoreError | BusyError):
            self.problem = str(answer)
            self._again[kind] = (key, size)  # it may be stored later: the same key stores it once
            return False
        for _ in some:
            waiting.popleft()
        if isinstance(answer, IntakeResult):
            self.problem = "" if not answer.rejected else answer.rejected[0].error
            self.counts.update(stored=answer.accepted, rejected=answer.rejected_count)
        else:
            self.problem = str(answer)
            self.counts["rejected"] += len(some)
        return True

    def _stored(
        self, kind: RecordKind, some: Sequence[Mapping[str, Any]], key: str
    ) -> IntakeResult | WatchkeeperError:
        written, flaw = list[bytes](), ""
        for one in some:
            try:
                written.append(msgspec.json.encode({**self._given(kind), **one}, enc_hook=_plain))
            except Exception as error:  # values of the caller, whose methods may raise anything
                flaw = f"a record cannot be written as JSON: {error}"[:300]
        unwritten = len(some) - len(written)
        if not written:
            return InputError(flaw)
        answer: Queue[IntakeResult | WatchkeeperError] = Queue()
        try:
            body = b"[%s]" % b",".join(written)
            rules = self._log.rules(self._stream.client)
            self._log.submit(
                [(parse.read(kind, body, "application/json", rules, self._log.decoders, key), answer.put)]
            )
            receipt = answer.get(timeout=_WITHIN)
        except WatchkeeperError as error:
            return error
        except Empty:
            return BusyError("the database did not respond in time", retry_after=_EVERY)
        if not isinstance(receipt, IntakeResult) or not unwritten:
            return receipt
        rejected = [*receipt.rejected, Rejected(0, flaw)]
        return IntakeResult(receipt.accepted, rejected, (), receipt.rejected_count + unwritten)

    def _given(self, kind: RecordKind) -> dict[str, str]:
        version = {"version"} if kind is RecordKind.OUTCOMES or not self._fields["version"] else set()
        return {name: value for name, value in self._fields.items() if name not in version}

    def _expire(self) -> None:
        if self.clock.elapsed() - self._expired_at < _EXPIRE_EVERY:
            return
        self._expired_at, now = self.clock.elapsed(), self.clock.now()
        with self._done:
            self._delete_expired(now)

    def _delete_expired(self, now: float) -> None:
        delete_expired(self._store, StoreSettings(), self._predictions, self._windows, now)
        with self._store.read() as connection:
            known = streams.streams(connection)
        for stream in known:
            with self._store.write() as connection:
                expire_outcomes(connection, stream, now - self._predictions.outcome_wait, now)

    def _before_fork(self) -> None:
        """Finish the work in progress and close all connections: SQLite's must not be carried across a fork."""
        self._is_held = self._done.acquire(timeout=_WITHIN)
        self._store.engine.dispose()

    def _after_in_parent(self) -> None:
        if self._is_held:
            self._done.release()

    def _after_in_child(self) -> None:
        """The records that wait stay the parent's."""
        self._store = Store(self._url)
        self.counts = Counter()
        self._begin()


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy and others as Python's."""
    for name in ("item", "tolist"):
        method = getattr(value, name, None)
        if method is not None and (name == "tolist" or getattr(value, "ndim", 0) == 0):
            return method()
    raise TypeError(f"{type(value).__name__} is not a valid value of a record")


def _each(step: Callable[["Embedded"], None]) -> Callable[[], None]:
    def run() -> None:
        for one in list(_LIVE):
            if not one._is_closed:
                step(one)

    return run


os.register_at_fork(
    before=_each(Embedded._before_fork),
    after_in_parent=_each(Embedded._after_in_parent),
    after_in_child=_each(Embedded._after_in_child),
)
