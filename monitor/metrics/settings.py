"""What measuring needs to know. Plain: pydantic, which reads it from the configuration, takes its time to load."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MetricSettings:
    """What it takes to measure, and where the lines are: see `monitor.metrics.section`, which says each in full."""

    min_rows: int = 100
    min_outcomes: int = 30
    min_rates: int = 1
    low_confidence: float = 0.6
    drifted_psi: float = 0.2
    calibration_bins: int = 10
    by_segment: bool = True
    promoters_from: int = 9
    tasks: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """What the configuration says of the task of a (client, model)."""
