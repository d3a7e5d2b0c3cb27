"""Queued items to batches of JSON lines."""

from __future__ import annotations

from collections import deque
from typing import Any

from watchkeeper_client.counters import Counters
from watchkeeper_client.delivery.batch import Batch
from watchkeeper_client.delivery.queue import Item
from watchkeeper_client.problems import Problems
from watchkeeper_client.records.values import LEFT_OUT, Freezer, tidy, to_json
from watchkeeper_client.settings import Limits


class BatchBuilder:
    """Turns items into lines when a batch is wanted, so that what waits is held once."""

    def __init__(self, limits: Limits, counters: Counters, problems: Problems) -> None:
        self._limits = limits
        self._counters = counters
        self._problems = problems
        self._items: deque[Item] = deque()
        self._lines: deque[tuple[str, bytes]] = deque()
        """Of the item that is being turned into records, those that no batch has yet."""

    def add(self, items: list[Item]) -> None:
        """Items that were taken from the queue."""
        self._items.extend(items)

    def __bool__(self) -> bool:
        return bool(self._items or self._lines)

    @property
    def records(self) -> int:
        """Records that wait here."""
        return len(self._lines) + sum(item.number for item in self._items)

    def next(self, pause: Any = None) -> Batch | None:
        """The next batch; None where no record is left. `pause` is called between records.

        A batch without records (`count` 0) gives back what could not be sent.
        """
        if not self:
            return None
        limits, size = self._limits, 0
        lines: list[bytes] = []
        batch = Batch("", 0, None)
        while self:
            if not self._lines:
                item = self._items[0]
                if batch.kind and item.kind != batch.kind:
                    break
                self._items.popleft()
                batch.items, batch.records_held = batch.items + 1, batch.records_held + item.number
                batch.weight += item.weight
                self._lines.extend((item.kind, line) for line in self._lines_of(item))
                if pause is not None:
                    pause()
                continue
            kind, line = self._lines[0]
            full = len(lines) >= limits.batch_records or size + len(line) + 1 > limits.batch_bytes
            if lines and (full or kind != batch.kind):
                break
            batch.kind = kind
            lines.append(line)
            size += len(line) + 1
            self._lines.popleft()
            if len(lines) >= limits.batch_records:
                break
        batch.count, batch.body = len(lines), b"\n".join(lines)
        return batch

    def _lines_of(self, item: Item) -> list[bytes]:
        try:
            content = item.content
            records = [content] if isinstance(content, dict) else [self._frozen(r) for r in content.records()]
        except Exception as error:  # a mapping of the user's own
            self._drop("unusable", item.number, f"records could not be made: {type(error).__name__}: {error}")
            return []
        lines = [line for record in records if (line := self._line(record))]
        if not records:
            self._drop("unusable", item.number, "nothing was found that could be a prediction")
        return lines

    def _frozen(self, record: dict[str, Any]) -> dict[str, Any]:
        freezer = Freezer(self._counters)
        values = {name: freezer.value(name, value) for name, value in record.items()}
        return {name: value for name, value in values.items() if value is not LEFT_OUT}

    def _line(self, record: dict[str, Any]) -> bytes:
        """One line, empty where there is none."""
        try:
            line = to_json(tidy(record, self._counters))
        except (ValueError, TypeError, RecursionError) as error:
            self._drop("unusable", 1, f"a record cannot be written as JSON: {error}")
            return b""
        if len(line) > min(self._limits.record_bytes, self._limits.batch_bytes):
            self._drop("too_large", 1, f"a record of {len(line):,} bytes was dropped")
            return b""
        return line

    def _drop(self, reason: str, count: int, message: str) -> None:
        self._counters.add(reason, count)
        self._problems.tell(reason, message)
