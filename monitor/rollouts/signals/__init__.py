"""The comparisons that a verdict is made of, and the share of the error budget that each has."""

from collections.abc import Callable

from monitor.rollouts.arms import Arms
from monitor.rollouts.signals import drift, failures, latency, quality, work
from monitor.rollouts.signals.signal import CanarySignal

Compare = Callable[[Arms, float], CanarySignal]

SIGNALS: tuple[tuple[Compare, float], ...] = (
    (failures.failures, 0.30),
    (failures.failure_limit, 0.15),
    (latency.latency, 0.25),
    (quality.quality, 0.10),
    (quality.estimated_quality, 0.05),
    (work.automation, 0.05),
    (work.reviews, 0.04),
    (work.cost, 0.03),
    (drift.outputs, 0.03),
)
"""Each comparison with its weight in the mean of all e-values. The weights add up to 1."""


def compare(arms: Arms) -> tuple[CanarySignal, ...]:
    """All signals that may stop a rollout, in the order of their weight in the budget."""
    return tuple(signal(arms, weight) for signal, weight in SIGNALS)
