"""What the verdict reads: the answers of both versions per minute, from the profiles of the same base windows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from monitor.rollouts.evidence import Counts
from monitor.rollouts.settings import USUAL, CanaryTolerances

WARM_UP = 1
"""The first minutes of a canary that are not compared: caches are empty, and the minute is not complete."""


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """One version: arrays of shape (minutes,); `latency` (minutes, places) and `confidence` (minutes, buckets) are
    histograms, `outputs` and `inputs` counts per cell of each column, shape (minutes, cells).

    `wrong` of `judged` answers with a known truth were wrong. `errors` are sums of absolute errors and of their squares
    over `numbers` answers with a known number. A column that nothing was sent for is all zeros.
    """

    answers: np.ndarray
    failed: np.ndarray
    latency: np.ndarray
    wrong: np.ndarray
    judged: np.ndarray
    numbers: np.ndarray
    errors: np.ndarray
    confidence: np.ndarray
    automated: np.ndarray
    automated_known: np.ndarray
    reviewed: np.ndarray
    reviewed_known: np.ndarray
    costed: np.ndarray
    costs: np.ndarray
    outputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Arms:
    """Both versions over the same minutes, in order of time. `seconds` is the length of a minute: of a base window.

    `latency_edges` are the lower edges of the places of the histograms (the first one is -inf), in milliseconds.
    `right_shares` is the baseline's share of right answers per bucket of confidence, if it has truths. `is_number` says
    that the model predicts numbers. `starts` are those of the minutes, in seconds since the epoch, if they are known.
    `notes` say what could not be read. `tolerated` is by how much the canary may be worse.
    """

    seconds: int
    canary: Arm
    stable: Arm
    latency_edges: np.ndarray
    right_shares: np.ndarray | None = None
    is_number: bool = False
    starts: np.ndarray = field(default_factory=lambda: np.empty(0))
    notes: tuple[str, ...] = ()
    tolerated: CanaryTolerances = USUAL

    @property
    def compared(self) -> np.ndarray:
        """The minutes in which both versions answered, without the warm-up: a mask of shape (minutes,)."""
        return self.watched & (self.stable.answers > 0)

    @property
    def watched(self) -> np.ndarray:
        """The minutes in which the canary answered, without the warm-up."""
        present = self.canary.answers > 0
        return np.asarray(present & (np.cumsum(present, axis=-1) > WARM_UP))

    def counts(self, bad: str, n: str) -> Counts:
        """The counts of two fields of both versions; the canary's are zero while it warms up."""
        return Counts(
            self.of_canary(getattr(self.canary, bad)),
            self.of_canary(getattr(self.canary, n)),
            getattr(self.stable, bad),
            getattr(self.stable, n),
        )

    def of_canary(self, values: np.ndarray) -> np.ndarray:
        """The canary's values, shape (..., minutes), with zeros while it warms up."""
        return np.asarray(np.where(self.watched, values, 0.0))
