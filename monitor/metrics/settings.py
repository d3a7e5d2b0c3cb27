"""The settings of metrics without pydantic, which is slow to import."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.windows.declared.forecast import Forecast
from monitor.windows.declared.score_definitions import Anomaly


@dataclass(frozen=True, slots=True)
class FairnessSettings:
    """See `monitor.health.fairness_settings`, which describes each setting. `reference` is by segment."""

    groups: tuple[str, ...]
    favourable: str
    reference: Mapping[str, str] = field(default_factory=dict)
    least: int = 100


@dataclass(frozen=True, slots=True)
class Ranking:
    """See `monitor.health.declared.ranking_settings`, which describes each setting."""

    k: int = 10
    catalogue: int | None = None


@dataclass(frozen=True, slots=True)
class MetricSettings:
    """See `monitor.metrics.section`, which describes each setting."""

    min_rows: int = 100
    min_outcomes: int = 30
    min_rates: int = 1
    low_confidence: float = 0.6
    drifted_psi: float = 0.2
    calibration_bins: int = 10
    by_segment: bool = True
    promoters_from: int = 9
    tasks: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The configured task of each (client, model)."""
    fairness: Mapping[tuple[str, str], FairnessSettings] = field(default_factory=dict)
    """What fairness is measured of each (client, model) that has it configured."""
    forecasts: Mapping[tuple[str, str], Forecast] = field(default_factory=dict)
    """What is sent beside the forecasts of each (client, model) that has it configured."""
    rankings: Mapping[tuple[str, str], Ranking] = field(default_factory=dict)
    """How the lists of each (client, model) that has it configured are judged."""
    cost_matrices: Mapping[tuple[str, str], Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    """What an answer of each (client, model) costs, by answer and then by truth."""
    anomalies: Mapping[tuple[str, str], Anomaly] = field(default_factory=dict)
    """What the scores of each (client, model) mean that detects anomalies."""
