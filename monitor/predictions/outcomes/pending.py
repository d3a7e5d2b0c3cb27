"""Pending outcomes: several batches of outcomes that are searched together, and the origin of each row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.predictions.log.batch import concatenate, decode, decoded_size
from monitor.store import outcomes
from monitor.store.outcomes import StoredOutcomes

MOST_BYTES = 20_000_000
"""Bytes of outcomes, and of predictions that they are joined to, that are in memory at the same time, and one batch."""


@dataclass(frozen=True, slots=True)
class PendingOutcomes:
    """Outcomes of several batches, numbered consecutively: the hash of each id, its batch and its row there, each of
    shape (n,). Their rows are read when they are needed.
    """

    connection: Connection
    batches: Sequence[StoredOutcomes]
    hashes: np.ndarray
    owner: np.ndarray
    row: np.ndarray
    decoded: dict[int, pa.RecordBatch] = field(default_factory=dict)

    @classmethod
    def of(cls, connection: Connection, batches: Sequence[StoredOutcomes]) -> "PendingOutcomes":
        """The rows of some batches, in their order."""
        hashes = [np.frombuffer(batch.ids, "<u8") for batch in batches]
        owner = np.repeat(np.arange(len(batches)), [len(some) for some in hashes])
        row = np.concatenate([np.arange(len(some)) for some in hashes])
        return cls(connection, batches, np.concatenate(hashes), owner, row)

    @property
    def is_new(self) -> np.ndarray:
        """The outcomes that were not searched in the log yet, bool, shape (n,)."""
        return np.take([not batch.waiting for batch in self.batches], self.owner)

    def take(self, chosen: np.ndarray) -> pa.RecordBatch:
        """The chosen outcomes, in their order."""
        parts = []
        for owner in np.unique(self.owner[chosen]):
            mine = chosen[self.owner[chosen] == owner]
            parts.append(self._decoded(int(owner)).take(pa.array(self.row[mine])))
        return concatenate(parts)

    def _decoded(self, owner: int) -> pa.RecordBatch:
        """The rows of a batch of outcomes; those that were read last are kept."""
        if owner not in self.decoded:
            rows = decode(outcomes.rows_of(self.connection, self.batches[owner].id))
            if sum(one.nbytes for one in self.decoded.values()) + rows.nbytes > MOST_BYTES:
                self.decoded.clear()
            self.decoded[owner] = rows
        return self.decoded[owner]

    def in_parts(self, chosen: np.ndarray) -> Iterator[np.ndarray]:
        """The chosen outcomes, which are in order, in parts whose batches have `MOST_BYTES` and one batch at most."""
        owners = self.owner[chosen]
        sizes = np.array([size_of(self.batches[owner]) for owner in np.unique(owners)], np.int64)
        part = (np.cumsum(sizes) // MOST_BYTES)[np.unique(owners, return_inverse=True)[1]]
        cuts = np.flatnonzero(np.diff(part)) + 1
        for start, end in pairwise([0, *cuts.tolist(), len(chosen)]):
            if end > start:
                yield chosen[start:end]


def first_of(batches: Sequence[StoredOutcomes]) -> Sequence[StoredOutcomes]:
    """The first batches that have `MOST_BYTES` together, and at least one."""
    total = 0
    for number, batch in enumerate(batches):
        total += size_of(batch)
        if number and total > MOST_BYTES:
            return batches[:number]
    return batches


def size_of(batch: StoredOutcomes) -> int:
    """The bytes that its rows take in memory."""
    return decoded_size(batch.head)
