"""Pending outcomes: several batches of outcomes that are searched together, and the origin of each row."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from monitor.predictions.log.batch import concatenate, decode
from monitor.store.outcomes import StoredOutcomes


@dataclass(frozen=True, slots=True)
class PendingOutcomes:
    """Outcomes of several batches, numbered consecutively: the hash of each id, its batch and its row there, each of
    shape (n,).
    """

    batches: Sequence[StoredOutcomes]
    hashes: np.ndarray
    owner: np.ndarray
    row: np.ndarray
    decoded: dict[int, pa.RecordBatch] = field(default_factory=dict)

    @classmethod
    def of(cls, batches: Sequence[StoredOutcomes]) -> "PendingOutcomes":
        """The rows of some batches, in their order."""
        hashes = [np.frombuffer(batch.ids, "<u8") for batch in batches]
        owner = np.repeat(np.arange(len(batches)), [len(some) for some in hashes])
        row = np.concatenate([np.arange(len(some)) for some in hashes])
        return cls(batches, np.concatenate(hashes), owner, row)

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
        """The rows of a batch of outcomes, decoded once."""
        if owner not in self.decoded:
            self.decoded[owner] = decode(self.batches[owner].blob)
        return self.decoded[owner]
