"""The `metrics` section of the configuration."""

from pydantic import Field

from monitor.config.sections import RealNumber, Section, WholeNumber
from monitor.metrics.settings import MetricSettings

_USUAL = MetricSettings()


class MetricSection(Section):
    """When metrics are measured, and the limits that some of them count against."""

    min_rows: WholeNumber = Field(default=_USUAL.min_rows, ge=1)
    """Minimum rows in a window for drift metrics. With fewer, they are not measured."""
    min_outcomes: WholeNumber = Field(default=_USUAL.min_outcomes, ge=1)
    """Minimum outcomes in a window for quality metrics."""
    min_rates: WholeNumber = Field(default=_USUAL.min_rates, ge=1)
    """Minimum rows for a rate or a percentile."""
    low_confidence: RealNumber = Field(default=_USUAL.low_confidence, gt=0, le=1)
    """A confidence below this is low."""
    drifted_psi: RealNumber = Field(default=_USUAL.drifted_psi, gt=0)
    """A feature counts as drifted in `drifted_share` from this PSI, after subtracting the PSI expected by
    chance."""
    calibration_bins: WholeNumber = Field(default=_USUAL.calibration_bins, ge=2, le=100)
    """Number of bins of the calibration error. It must divide 100."""
    by_segment: bool = _USUAL.by_segment
    """Also measure rates, confidence and quality for each declared segment."""
    promoters_from: WholeNumber = Field(default=_USUAL.promoters_from, ge=1)
    """Lowest feedback that counts as a promoter, on a scale to 10 (for `net_promoter_score`)."""

    def settings(self) -> MetricSettings:
        """The settings without pydantic."""
        return MetricSettings(**dict(self))
