"""What a group of requests becomes in the store."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.predictions.intake.parse import ParsedRequest
from monitor.predictions.log import batching
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.measuring import SignalMeter
from monitor.store.outcomes import NewOutcomes
from monitor.store.predictions import NewBatch
from monitor.store.quarantine import Quarantined
from monitor.store.texts import StoredTexts


@dataclass(frozen=True, slots=True)
class StoreRows:
    """The rows to store for a group of requests."""

    predictions: Sequence[NewBatch] = ()
    outcomes: Sequence[NewOutcomes] = ()
    quarantined: Sequence[Quarantined] = ()
    texts: Sequence[StoredTexts] = ()

    @classmethod
    def of(
        cls,
        requests: Sequence[ParsedRequest],
        settings: PredictionSettings,
        meter: SignalMeter,
        now: float,
    ) -> "StoreRows":
        """The rows of requests, those of one stream together."""
        batches, kept = batching.ingested(requests, settings, meter)
        outcomes_of_requests = batching.received_outcomes(requests, now)
        return cls(batches, outcomes_of_requests, batching.quarantined(requests, now), kept)

    @classmethod
    def joined(cls, parts: Sequence["StoreRows"]) -> "StoreRows":
        """The rows of several parts."""
        return cls(
            [prediction for part in parts for prediction in part.predictions],
            [outcome for part in parts for outcome in part.outcomes],
            [one for part in parts for one in part.quarantined],
            [text for part in parts for text in part.texts],
        )

    @property
    def size(self) -> int:
        """Approximate number of bytes."""
        rows: tuple[NewBatch | NewOutcomes, ...] = (*self.predictions, *self.outcomes)
        return sum(len(row.blob) + len(row.ids) for row in rows) + sum(
            len(text.content) for text in self.texts
        )
