"""The `metrics` section of the configuration."""

from pydantic import Field

from monitor.settings import Section


class MetricSettings(Section):
    """What it takes to measure, and where the lines are that some figures count against."""

    min_rows: int = Field(default=100, ge=1)
    """Rows that a window needs before drift is measured in it. Fewer give `not_measured`, with the number."""
    min_outcomes: int = Field(default=30, ge=1)
    """Outcomes that a window needs before quality is measured in it."""
    min_rates: int = Field(default=1, ge=1)
    """Rows that a rate or a percentile needs."""
    low_confidence: float = Field(default=0.6, gt=0, le=1)
    """Confidence below this counts as low."""
    drifted_psi: float = Field(default=0.2, gt=0)
    """A feature counts as drifted from this PSI on (after subtracting what chance alone gives), for `drifted_share`."""
    calibration_bins: int = Field(default=10, ge=2, le=100)
    """Bins of the calibration error. 100 must be a multiple of it."""
    by_segment: bool = True
    """Measure rates, confidence and quality for each declared segment too."""
    promoters_from: int = Field(default=9, ge=1)
    """On a scale to 10, feedback from this on is a promoter's (for `net_promoter_score`)."""
