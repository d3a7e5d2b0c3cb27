"""The `anomaly` and `survival` sections of a model: what its scores mean."""

from pydantic import Field, field_validator

from monitor.config.sections import RealNumber, Section, WholeNumber

_LONGEST = 120
"""Characters of a name as it is written into expressions."""


def _bare(name: str) -> str:
    if name.startswith("features."):
        raise ValueError(f"names are bare: write {name.partition('.')[2]} instead of {name}")
    if len(repr(name)) > _LONGEST:
        raise ValueError(f"{name[:40]}… is too long: use at most 100 characters")
    return name


class AnomalySection(Section):
    """An anomaly detector. Without a threshold, nothing is measured."""

    threshold: RealNumber | None = None
    """A score of at least this is an alert."""
    k: WholeNumber = Field(default=100, ge=1, le=1_000_000)
    """Of how many highest scores of a window `precision_at_top_k` tells the share of anomalies."""
    score: str = ""
    """The feature that holds the score; without it, the prediction is the score."""
    anomaly: str = "true"
    """The truth of an anomaly; `true` is also true and 1."""

    _names = field_validator("score", "anomaly")(_bare)


class SurvivalSection(Section):
    """A survival model. Without horizons, nothing is measured."""

    horizons: tuple[RealNumber, ...] = Field(default=(), max_length=10)
    """The times at which events and survivors are distinguished, in the unit of the truth, such as `[30, 90]`."""
    risk: str = ""
    """The feature that holds the risk, high for an early event; without it, the prediction is the risk."""

    _names = field_validator("risk")(_bare)

    @field_validator("horizons")
    @classmethod
    def _are_times(cls, horizons: tuple[float, ...]) -> tuple[float, ...]:
        if any(not one > 0 for one in horizons):
            raise ValueError("a horizon is more than 0")
        if len({f"{one:g}" for one in horizons}) < len(horizons):
            raise ValueError("two horizons are the same")
        return horizons
