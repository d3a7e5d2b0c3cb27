"""The `windows` section of the configuration."""

from pydantic import Field

from monitor.settings import Duration, Section


class WindowSettings(Section):
    """When a window is closed, and how finely it is cut into slices."""

    lateness: Duration = 10.0
    """How far the newest event time must be past a window's end before the window is closed."""
    idle: Duration = 30.0
    """A stream that sends nothing for this long has its windows closed by the clock, so that silence is seen."""
    retention: Duration = 400 * 86400.0
    """How long profiles and measurements are kept."""
    max_segments: int = Field(default=50, ge=1)
    """Values of one segment (and versions) that are counted apart in one batch; further ones count in the whole only."""
    batches_per_commit: int = Field(default=500, ge=1)
    """Batches of predictions that are counted in one transaction."""
