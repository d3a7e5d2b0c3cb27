"""The `windows` section of the configuration."""

from enum import StrEnum
from pathlib import Path

from pydantic import AwareDatetime, Field, model_validator

from monitor.settings import Duration, Section
from monitor.windows.layout import Kind


class WindowSettings(Section):
    """When a window is closed, and how finely it is cut into slices."""

    lateness: Duration = 10.0
    """How far the newest event time must be past a window's end before the window is closed."""
    idle: Duration = 30.0
    """A stream that sends nothing for this long has its windows closed by the clock, so that silence is seen."""
    retention: Duration = 400 * 86400.0
    """How long profiles of base windows and measurements of hours are kept."""
    fine_retention: Duration = 60 * 86400.0
    """How long measurements of windows shorter than an hour are kept, and sums of profiles, which can be made again."""
    max_segments: int = Field(default=50, ge=1)
    """Versions, and values of one segment, that are counted apart in a batch; further ones count in the whole only."""
    batches_per_commit: int = Field(default=500, ge=1)
    """Batches of predictions that are counted in one transaction."""


class Comparison(StrEnum):
    """Something besides the pinned baseline that a window can be held against."""

    SEASON = "season"
    PREVIOUS_VERSION = "previous_version"


class BaselineSettings(Section):
    """What a model's windows are held against: a file, or a past period of the stream."""

    file: Path | None = None
    """A Parquet, CSV or Arrow file: the training set, with the model's predictions on it if there are any."""
    start: AwareDatetime | None = None
    """With `end`: the past period that was fine, such as 2026-11-02T00:00:00Z."""
    end: AwareDatetime | None = None
    """End of the period, exclusive."""
    after: Duration = 86400.0
    """With neither file nor period: the baseline is made this long after the first prediction, from all until then;
    at once where so much of a past was loaded."""
    rows: int = Field(default=1000, ge=1)
    """With neither file nor period: how many predictions that takes at least."""
    columns: dict[str, Kind] = Field(default_factory=dict)
    """Kinds of single features where their values mislead, such as `zip_code: category`."""

    also: tuple[Comparison, ...] = ()
    """Further baselines that figures are held against: `season` (the same hour of past weeks), `previous_version`."""
    weeks: int = Field(default=4, ge=1, le=52)
    """How many past weeks make the season."""
    version_span: Duration = 7 * 86400.0
    """How far back the version before is looked for: until its last rows are older than that, it is compared with."""

    @property
    def is_named(self) -> bool:
        """Whether a file or a period is named; else the baseline makes itself."""
        return self.file is not None or self.start is not None

    @model_validator(mode="after")
    def _one_source(self) -> "BaselineSettings":
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end belong together")
        if self.file is not None and self.start is not None:
            raise ValueError("give either a file or a period")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("start must be before end")
        return self
