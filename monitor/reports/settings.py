"""The `reports` section: what a drill-down report may take."""

from pathlib import Path

from pydantic import Field

from monitor.settings import Duration, Section, Size


class ReportSettings(Section):
    """Drill-down reports by Evidently (extra `reports`), made in a process of their own."""

    folder: Path = Path("var/reports")
    """Where finished reports are kept; nobody else may read it."""
    memory: Size = 3_000_000_000
    """Address space that a report's process may take; about four times what it fills."""
    time_limit: Duration = 300.0
    """A report that is not ready by then is given up."""
    kept: Duration = 86400.0
    """How long a finished report can be looked at."""
    most_waiting: int = Field(default=4, ge=1)
    """Reports that may wait for their turn; one is made at a time."""
