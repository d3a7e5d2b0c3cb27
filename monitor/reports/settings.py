"""The `reports` section: limits of drill-down reports."""

from pathlib import Path

from pydantic import Field

from monitor.config.sections import Duration, FilePath, Section, Size, WholeNumber
from monitor.config.units import DAY


class ReportSettings(Section):
    """Drill-down reports by Evidently (extra `reports`), made in a process of their own."""

    folder: FilePath = Path("var/reports")
    """Folder of finished reports, readable only by the daemon's user."""
    memory: Size = 3_000_000_000
    """Address space of a report's process, about four times the memory that it uses."""
    time_limit: Duration = 300.0
    """Reports that take longer are cancelled."""
    kept: Duration = float(DAY)
    """How long a finished report is kept."""
    most_waiting: WholeNumber = Field(default=4, ge=1)
    """Maximum number of waiting reports. Reports run one at a time."""
