"""The `web.metrics` section: limits for `/metrics`."""

from pydantic import Field

from monitor.config.sections import Duration, Section, WholeNumber
from monitor.config.units import DAY


class MetricsSettings(Section):
    """Limits for `/metrics`. The worst series are kept; dropped ones are counted."""

    max_features: WholeNumber = Field(default=50, ge=1)
    """Features per model and condition of a rule: those that are the closest to firing."""
    max_segments: WholeNumber = Field(default=20, ge=1)
    """Segments per model."""
    max_series: WholeNumber = Field(default=10_000, ge=100)
    """Series in total."""
    version_age: Duration = float(DAY)
    """Versions without predictions for this long are dropped."""
