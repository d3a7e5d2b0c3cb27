"""What a baseline counts beside its columns: what the configuration declares of its model."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from monitor.windows.declared import custom_counts
from monitor.windows.declared.custom_metric import CustomMetric, of_stored
from monitor.windows.declared.seasonal_naive import SeasonLength, with_naive_errors
from monitor.windows.kernel.segment_cells import OF_BASELINE
from monitor.windows.profile import Profile, merge


@dataclass(frozen=True, slots=True)
class DeclaredBaseline:
    """Own metrics as they are stored, by name, and the season of forecasts whose scale is learned."""

    metrics: tuple[tuple[str, str], ...] = ()
    season: SeasonLength | None = None

    @classmethod
    def of(cls, metrics: Iterable[CustomMetric], season: SeasonLength | None = None) -> "DeclaredBaseline":
        """What a model declares."""
        return cls(tuple(sorted((metric.name, metric.stored()) for metric in metrics)), season)

    @property
    def digest(self) -> str:
        """A text that changes with what is counted; empty if that is nothing."""
        if not self.metrics and self.season is None:
            return ""
        return hashlib.sha256(repr((self.metrics, self.season)).encode()).hexdigest()[:8]


NOTHING = DeclaredBaseline()


def with_declared(
    profile: Profile,
    predictions: Callable[[], Iterable[pa.RecordBatch]],
    joined: Callable[[], Iterable[pa.RecordBatch]],
    declared: DeclaredBaseline,
) -> Profile:
    """The profile of a baseline with what is declared, from its rows and from those with their outcomes."""
    metrics = [of_stored(*metric) for metric in declared.metrics]
    for are_joined, rows in ((False, predictions), (True, joined)):
        if any(bool(metric.expression.outcome) == are_joined for metric in metrics):
            profile = _with_own(profile, rows(), metrics, are_joined=are_joined)
    if declared.season is not None:
        profile = with_naive_errors(profile, joined(), declared.season)
    return profile


def _with_own(
    profile: Profile, parts: Iterable[pa.RecordBatch], metrics: Sequence[CustomMetric], *, are_joined: bool
) -> Profile:
    for rows in parts:
        counted = custom_counts.count(rows, profile.layout, OF_BASELINE.most, metrics, are_joined=are_joined)
        if counted is not None:
            profile = merge([profile, counted])
    return profile
