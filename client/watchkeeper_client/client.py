"""What a program calls. Nothing here raises into it, and nothing but `flush` and `close` waits."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from os import getpid, urandom
from typing import TYPE_CHECKING, Any

from watchkeeper_client.counters import ACCEPTED, Counters
from watchkeeper_client.delivery.queue import Deferred, Item, RecordQueue
from watchkeeper_client.delivery.sender import Sender
from watchkeeper_client.delivery.worker import Forkable, Worker, forget, remember
from watchkeeper_client.problems import ERROR, WARNING, Problems, log
from watchkeeper_client.records import record as records
from watchkeeper_client.records.values import Freezer
from watchkeeper_client.settings import Limits, Target, from_environment, spool_folder

if TYPE_CHECKING:
    from watchkeeper_client.delivery.spool import Spool
    from watchkeeper_client.protocol.address import Address
    from watchkeeper_client.protocol.transport import Transport

_ANSWERS = frozenset(
    {"prediction", "ranking", "predicted_labels", "outputs", "error", "finish_reason", "texts"}
)
"""One of these says what became of a call."""
_RECORD_WEIGHT = 600
"""Bytes that a record without values needs while it waits, roughly."""
_BREATH = 0.00005
"""Seconds that the sending thread sleeps between records that it encodes, so that callers need not wait for the GIL."""


class Client(Forkable):
    """Sends predictions and outcomes to a daemon, in the background.

    What is not given is read from `WATCHKEEPER_URL`, `WATCHKEEPER_KEY`, `WATCHKEEPER_CLIENT`, `WATCHKEEPER_MODEL`,
    `WATCHKEEPER_VERSION`, `WATCHKEEPER_ENVIRONMENT`, `WATCHKEEPER_SPOOL` and `WATCHKEEPER_CA_FILE`. Without an address,
    or with something that cannot be right, nothing is sent: `problem` says why, and so does the log.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        client: str | None = None,
        model: str | None = None,
        version: str | None = None,
        environment: str | None = None,
        spool: str | os.PathLike[str] | None = None,
        ca_file: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.problem = ""
        self._key = from_environment("KEY", key) or ""
        self._ca_file = from_environment("CA_FILE", ca_file) or ""
        self._address = self._read_address(from_environment("URL", url))
        self._spool_folder = spool_folder(spool)
        self._target = Target(
            from_environment("CLIENT", client),
            from_environment("MODEL", model),
            from_environment("VERSION", version),
            from_environment("ENVIRONMENT", environment),
        )
        self._base = self._target.fields()
        self._transport: Transport | None = None
        self._spool: Spool | None = None
        self.begin_anew()
        remember(self)

    def _read_address(self, url: str | None) -> Address | None:
        from watchkeeper_client.protocol.address import check_key, read_address

        try:
            if not url:
                raise ValueError("no address is given: set WATCHKEEPER_URL")
            check_key(self._key)
            address = read_address(url)
        except Exception as error:  # also what is no text at all
            self.problem = str(error)
            log(ERROR, f"nothing is sent to Watchkeeper: {error}")
            return None
        if self._key and not address.secure and not address.is_local:
            log(WARNING, "the key for Watchkeeper travels in the clear: use https")
        return address

    def begin_anew(self) -> None:
        """An empty queue, and no thread yet. In a forked child: what waited is the parent's to send."""
        # Importing the package stays cheap; and nothing is imported in the thread, where a fork might cut it short.
        from pathlib import Path

        from watchkeeper_client.delivery.spool import Spool
        from watchkeeper_client.protocol.address import NOWHERE
        from watchkeeper_client.protocol.transport import Transport

        if self._transport is not None:
            self._transport.close()
        if self._spool is not None:
            self._spool.forget()
        self._pid = getpid()
        self._counters = Counters()
        self._queue = RecordQueue(self.limits.queue_records, self.limits.queue_bytes)
        self._transport = Transport(self._address or NOWHERE, self._ca_file)
        self._spool = Spool(Path(self._spool_folder), self.limits.spool_bytes) if self._spool_folder else None
        self._worker = Worker(
            Sender(
                self._queue,
                self._transport.post,
                self._spool,
                self.limits,
                self._key,
                self._counters,
                Problems(time.monotonic),
                time.monotonic,
                lambda: time.sleep(_BREATH),
            )
        )

    def prediction(
        self,
        prediction: object = None,
        *,
        features: object = None,
        id: str | int | None = None,  # noqa: A002 - the record's own word
        error: str | BaseException | None = None,
        confidence: float | None = None,
        latency_ms: float | None = None,
        probabilities: Mapping[Any, float] | None = None,
        attributions: Mapping[Any, float] | None = None,
        ranking: Iterable[object] | None = None,
        predicted_labels: Iterable[object] | None = None,
        outputs: Mapping[Any, float] | None = None,
        segments: Mapping[str, object] | None = None,
        automated: bool | None = None,
        cost: float | None = None,
        texts: Mapping[str, object] | None = None,
        usage: Mapping[str, object] | None = None,
        ttft_ms: float | None = None,
        finish_reason: str | None = None,
        timestamp: object = None,
        client: str | None = None,
        model: str | None = None,
        version: str | None = None,
        environment: str | None = None,
    ) -> str:
        """Record what a model answered, or by which `error` it did not; the id by which an outcome finds it.

        The fields are those of docs/ingest.md. `features` is anything with names: a mapping, a pandas row, a dataclass,
        a pydantic model. `texts` are those of a call of a language model: `input`, `output`, `context` and so on.
        """
        try:
            freezer = Freezer(self._counters)
            given: dict[str, object] = {
                "id": urandom(16).hex() if id is None else id,
                "timestamp": time.time() if timestamp is None else timestamp,
                "prediction": prediction,
                "error": records.error_name(error),
                "confidence": confidence,
                "latency_ms": latency_ms,
                "probabilities": probabilities,
                "attributions": attributions,
                "segments": segments,
                "automated": automated,
                "cost": cost,
                "usage": usage,
                "ttft_ms": ttft_ms,
                "finish_reason": finish_reason,
                "client": client,
                "model": model,
                "version": version,
                "environment": environment,
            }
            built = records.build(self._base, given, features, freezer)
            built |= freezer.named(ranking=ranking, predicted_labels=predicted_labels, outputs=outputs)
            if texts is not None and (parts := freezer.texts(texts)):
                built["texts"] = parts
            if not _ANSWERS.isdisjoint(built):
                self.put("predictions", built, 1, _RECORD_WEIGHT + freezer.weight)
            else:
                self._counters.add("unusable")
            return str(built.get("id", ""))
        except Exception:
            self._counters.add("unusable")
            return ""

    def outcome(
        self,
        id: str | int,  # noqa: A002 - the record's own word
        *,
        truth: object = None,
        reviewed: bool | None = None,
        corrected: bool | None = None,
        feedback: float | None = None,
        relevant: Mapping[Any, float] | Iterable[object] | None = None,
        true_labels: Iterable[object] | None = None,
        true_outputs: Mapping[Any, float] | None = None,
        scores: Iterable[Mapping[str, object]] | None = None,
        timestamp: object = None,
        client: str | None = None,
        model: str | None = None,
        environment: str | None = None,
    ) -> None:
        """Record what became known of a prediction, any part of it, whenever that is.

        `relevant` are the items of a ranking that were chosen, or a grade of each; more of them may follow later.
        `scores` are those of evaluators: each has a `name`, an `evaluator`, a `value` or a `label`, and perhaps a
        `version`.
        """
        try:
            freezer = Freezer(self._counters)
            known = {"truth": truth, "reviewed": reviewed, "corrected": corrected, "feedback": feedback}
            named = freezer.named(relevant=relevant, true_labels=true_labels, true_outputs=true_outputs)
            rated = [score for one in scores or () if (score := records.build({}, dict(one), None, freezer))]
            about = {
                "id": id,
                "timestamp": timestamp,
                "client": client,
                "model": model,
                "environment": environment,
            }
            base = {name: value for name, value in self._base.items() if name != "version"}
            built = records.build(base, {**about, **known}, None, freezer)
            if rated:
                built["scores"] = rated
            built |= named
            if "id" in built and (rated or named or not known.keys().isdisjoint(built)):
                self.put("outcomes", built, 1, _RECORD_WEIGHT + freezer.weight)
            else:
                self._counters.add("unusable")
        except Exception:
            self._counters.add("unusable")

    def feedback(self, id: str | int, score: float, **where: str) -> None:  # noqa: A002 - the record's own word
        """Record what a user thought of an answer, as a number of any scale that stays the same.

        `where` is `client`, `model` or `environment`, where they are not the ones of this object.
        """
        self.outcome(id, feedback=score, **where)  # type: ignore[arg-type]

    def put(self, kind: str, content: dict[str, Any] | Deferred, count: int, weight: int) -> None:
        """Queue records of a kind that need about `weight` bytes while they wait. For integrations."""
        if self._address is None or self._worker.is_closed:
            self._counters.add("off", count)
            return
        if self._pid != getpid():  # a fork that Python was not told of
            self.begin_anew()
        queue = self._queue
        was_empty = queue.count == 0
        refusal = queue.put(Item(kind, content, count, weight))
        if refusal:
            self._counters.add(refusal, count)
            return
        self._counters.add(ACCEPTED, count)
        if was_empty or queue.count % self.limits.batch_records < count:
            self._worker.wake()

    def base(self, **given: str | None) -> dict[str, Any]:
        """The fields that stand in each record, with those that are given. For integrations."""
        return {**self._base, **{name: value for name, value in given.items() if value}}

    def count(self, name: str, number: int = 1) -> None:
        """Add to one of the counters. For integrations."""
        self._counters.add(name, number)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until the daemon answered for all that was recorded before; whether it did in `timeout` seconds.

        Call it at the end of a serverless function, which is frozen when it returns, and of a notebook's cell.
        """
        try:
            return self._worker.flush(timeout, self._queue.taken_in)
        except Exception:
            log(ERROR, "flushing failed", with_error=True)
            return False

    async def aflush(self, timeout: float = 5.0) -> bool:
        """`flush` that lets other tasks run."""
        import asyncio

        worker, goal, deadline = self._worker, self._queue.taken_in, time.monotonic() + timeout
        if not worker.is_settled(goal):
            worker.hurry(deadline)
        while not worker.is_settled(goal) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return worker.is_settled(goal)

    def close(self, timeout: float | None = None) -> None:
        """Send what waits, then stop. The end of the interpreter does it, too."""
        forget(self)
        if self._worker.is_closed or self._pid != getpid():
            return
        try:
            wait = self.limits.exit_timeout if timeout is None else timeout
            is_idle = self._worker.close(wait, self._queue.taken_in)
            if is_idle and self._transport is not None:
                self._transport.close()
            if lost := self._queue.count:
                self._counters.add("not_sent", lost)
                log(WARNING, f"not sent before the end: {lost:,} {'record' if lost == 1 else 'records'}")
            if is_idle and self._spool is not None:
                self._spool.close()
        except Exception:
            log(ERROR, "the last records could not be sent", with_error=True)

    def counters(self) -> dict[str, int]:
        """Records taken, sent and dropped, by reason, of this process; docs/client.md says what each means."""
        return self._counters.totals()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
