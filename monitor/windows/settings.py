"""The `windows` section of the configuration."""

from enum import StrEnum

from pydantic import AwareDatetime, Field, model_validator

from monitor.config.sections import Duration, FilePath, Section, WholeNumber
from monitor.config.units import DAY
from monitor.windows.layout.layout import ColumnKind


class WindowSettings(Section):
    """When a window is closed, and how finely it is cut into slices."""

    lateness: Duration = 10.0
    """How far the newest event time must be past the end of a window before the window closes."""
    idle: Duration = 30.0
    """If a stream sends nothing for this long, its windows are closed by the clock, so that missing data is
    detected."""
    retention: Duration = 400.0 * DAY
    """How long profiles of base windows, and measurements of hours, are kept."""
    fine_retention: Duration = 60.0 * DAY
    """How long measurements of windows under an hour, and sums of profiles, are kept. Sums can be
    recomputed."""
    max_segments: WholeNumber = Field(default=50, ge=1)
    """Maximum versions, and values per segment, that are counted separately in a window, those that were frequent in
    the baseline first. Others count in the total only."""
    segment_features: WholeNumber = Field(default=8, ge=0, le=100)
    """Maximum features that are counted for each value of a segment as well, in coarse cells, the most important
    first. 0: none."""
    segment_cells: WholeNumber = Field(default=2000, ge=0)
    """Maximum counts of such cells in a batch; a feature has about a dozen for each value of a segment. Beyond it,
    values with few predictions are left out."""
    batches_per_commit: WholeNumber = Field(default=500, ge=1)
    """Maximum batches of predictions that are counted in one transaction."""


class FurtherBaseline(StrEnum):
    """A further baseline that a window can be compared with."""

    SEASON = "season"
    PREVIOUS_VERSION = "previous_version"


class BaselineSettings(Section):
    """The baseline that a model's windows are compared with: a file, or a past period of the stream."""

    file: FilePath | None = None
    """A Parquet, CSV or Arrow file with the training data, if possible with the model's predictions."""
    start: AwareDatetime | None = None
    """Start of a past period without problems, such as 2026-11-02T00:00:00Z. Requires `end`."""
    end: AwareDatetime | None = None
    """End of the period, exclusive."""
    after: Duration = float(DAY)
    """Without file and period: the baseline is created this long after the first prediction, from all
    predictions until then; at once if that much history was loaded."""
    rows: WholeNumber = Field(default=1000, ge=1)
    """Without file and period: the minimum number of predictions for the baseline."""
    columns: dict[str, ColumnKind] = Field(default_factory=dict)
    """Types of single features, if their values are misleading, such as `zip_code: category`."""
    relations: bool = True
    """Watch the strongest relations of numeric features, and those of labels with numbers, at most 50 each. Takes
    effect with the next baseline."""

    also: tuple[FurtherBaseline, ...] = ()
    """Further baselines: `season` (the same hour of past weeks), `previous_version`."""
    weeks: WholeNumber = Field(default=4, ge=1, le=52)
    """Number of past weeks in the season."""
    version_span: Duration = 7.0 * DAY
    """How far back the rows of the previous version may be."""

    @property
    def is_named(self) -> bool:
        """Whether a file or a period is configured. Without one, the baseline is created automatically."""
        return self.file is not None or self.start is not None

    @model_validator(mode="after")
    def _one_source(self) -> "BaselineSettings":
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end must be set together")
        if self.file is not None and self.start is not None:
            raise ValueError("set either a file or a period, not both")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("start must be before end")
        return self
