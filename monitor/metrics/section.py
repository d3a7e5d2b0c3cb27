"""The `metrics` section of the configuration."""

from pydantic import Field

from monitor.metrics.settings import MetricSettings
from monitor.settings import Section

_USUAL = MetricSettings()


class MetricSection(Section):
    """What it takes to measure, and where the lines are that some figures count against."""

    min_rows: int = Field(default=_USUAL.min_rows, ge=1)
    """Rows that a window needs before drift is measured in it. Fewer give `not_measured`, with the number."""
    min_outcomes: int = Field(default=_USUAL.min_outcomes, ge=1)
    """Outcomes that a window needs before quality is measured in it."""
    min_rates: int = Field(default=_USUAL.min_rates, ge=1)
    """Rows that a rate or a percentile needs."""
    low_confidence: float = Field(default=_USUAL.low_confidence, gt=0, le=1)
    """Confidence below this counts as low."""
    drifted_psi: float = Field(default=_USUAL.drifted_psi, gt=0)
    """A feature counts as drifted from this PSI on (after subtracting what chance alone gives), for `drifted_share`."""
    calibration_bins: int = Field(default=_USUAL.calibration_bins, ge=2, le=100)
    """Bins of the calibration error. 100 must be a multiple of it."""
    by_segment: bool = _USUAL.by_segment
    """Measure rates, confidence and quality for each declared segment too."""
    promoters_from: int = Field(default=_USUAL.promoters_from, ge=1)
    """On a scale to 10, feedback from this on is a promoter's (for `net_promoter_score`)."""

    def settings(self) -> MetricSettings:
        """The same for those who measure."""
        return MetricSettings(**dict(self))
