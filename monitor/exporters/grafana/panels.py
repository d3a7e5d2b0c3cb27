"""The parts of a dashboard, independent of Grafana's JSON: rows of panels with queries.

`S` selects the streams by the variables of the dashboard, `J` the daemons; `within` adds matchers.
"""

from dataclasses import dataclass
from typing import Literal

PanelKind = Literal[
    "stat", "gauge", "timeseries", "table", "statetimeline", "statushistory", "heatmap", "bargauge"
]
Look = Literal["", "state", "yesno", "limit_one"]

_STREAM = ('job=~"$job"', 'client=~"$client"', 'environment=~"$environment"', 'model=~"$model"')
S = "{" + ",".join(_STREAM) + "}"
J = '{job=~"$job"}'
RATE = "$__rate_interval"
METRIC = 'metric=~"$metric"'
"""A matcher: the metrics that are chosen."""


def within(*matchers: str) -> str:
    """`S` with further matchers."""
    return "{" + ",".join((*_STREAM, *matchers)) + "}"


def daemons(*matchers: str) -> str:
    """`J` with further matchers."""
    return "{" + ",".join(('job=~"$job"', *matchers)) + "}"


@dataclass(frozen=True, slots=True)
class Query:
    """One query. `table` returns one value per series instead of a curve; `style` is how it is drawn."""

    expression: str
    legend: str = ""
    table: bool = False
    style: Literal["", "dashed", "limit", "baseline"] = ""
    exemplars: bool = False
    heatmap: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `steps` are (value, colour) pairs from which a colour applies; `empty` is shown without data."""

    title: str
    description: str
    kind: PanelKind
    unit: str
    width: int
    height: int
    queries: tuple[Query, ...]
    look: Look = ""
    steps: tuple[tuple[float | None, str], ...] = ()
    empty: str = "0"
    least: float | None = None
    most: float | None = None
    stacked: bool = False
    columns: tuple[tuple[str, str], ...] = ()
    runbook: bool = False


@dataclass(frozen=True, slots=True)
class PanelRow:
    """Panels under a heading. `closed` rows start collapsed."""

    title: str
    panels: tuple[Panel, ...]
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard file."""

    uid: str
    title: str
    description: str
    rows: tuple[PanelRow, ...]
    span: str = "now-6h"
    one_model: bool = False
    with_metric: bool = False

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, from top to bottom."""
        return tuple(panel for row in self.rows for panel in row.panels)
