"""All measured figures that `watchkeeper size` computes with, each with its source."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MeasuredFigure:
    """One measured figure, its unit, and where it is from."""

    what: str
    amount: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What a model with `features` takes at `rows` predictions a minute.

    `row` is in bytes for each prediction; `profiles`, `sums` (of profiles), `fine` and `hourly` (measurements of
    windows below an hour, and of an hour and above) in bytes for each minute; `cpu` in milliseconds for each minute.
    """

    rows: float
    features: float
    row: float
    profiles: float
    sums: float
    fine: float
    hourly: float
    cpu: float


_PAGE = "docs/performance.md"
_HARDWARE = "docs/hardware.md"
SINGLE = MeasuredFigure(
    "accepting a prediction, sent alone, at 4,400/s",
    224,
    "µs of CPU",
    f"{_PAGE}, Figures for sizing, highest of three",
)
SINGLES = ((5.0, 3962.0), (50.0, 1721.0), (200.0, 1346.0), (4400.0, SINGLE.amount))
"""Predictions a second that a daemon gets one by one, and µs of CPU for each. At low rates, each has a commit alone."""
SINGLES_SOURCE = "python -m tests.bench.ingest --singles, 30 November 2026, busy machine, highest of two"
TICKS = MeasuredFigure(
    "ticks of a daemon with one model in use", 0.03, "cores", f"{_HARDWARE}, Beside a measured run"
)
ARRAY = MeasuredFigure(
    "accepting a prediction in an array of 100", 11, "µs of CPU", f"{_PAGE}, the same table, highest of three"
)
IDLE = MeasuredFigure("daemon at rest", 187, "MB", f"{_HARDWARE}, Beside a measured run")
STREAM = MeasuredFigure(
    "baseline, layout and buckets of a model with 50 features", 0.5, "MB", f"{_PAGE}, Figures for sizing"
)
TRAFFIC = MeasuredFigure(
    "growth under 2,000 predictions/s of three models",
    32,
    "MB",
    f"{_PAGE}, Figures for sizing: 209 MB at most",
)
CHILD = MeasuredFigure(
    "child process that learns 14 days of minutes of 64 features",
    610,
    "MB",
    f"{_PAGE}, Figures for sizing, highest",
)
MEASUREMENTS = (SINGLE, ARRAY, TICKS, IDLE, STREAM, TRAFFIC, CHILD)

GRID_SOURCE = "python -m tests.bench.storage, 29 November 2026, two cores of an AMD EPYC, busy machine"
GRID = (
    Kept(100, 10, row=158.3, profiles=1865, sums=2814, fine=9398, hourly=203, cpu=19.2),
    Kept(100, 50, row=477.2, profiles=7295, sums=11_861, fine=34_791, hourly=729, cpu=27.0),
    Kept(3000, 10, row=145.1, profiles=4699, sums=6360, fine=8342, hourly=203, cpu=21.4),
    Kept(3000, 50, row=422.8, profiles=21_274, sums=28_320, fine=29_518, hourly=729, cpu=33.6),
    Kept(12_000, 10, row=144.6, profiles=6624, sums=8578, fine=8342, hourly=203, cpu=25.8),
    Kept(12_000, 50, row=418.8, profiles=29_559, sums=38_072, fine=29_518, hourly=729, cpu=72.5),
)
"""For each rate, first few features, then many; rates ascend."""
OVERHEAD_SOURCE = "python -m tests.bench.storage [--postgresql], the same day, the largest ratio of six"
SQLITE_OVERHEAD = 1.18
POSTGRESQL_OVERHEAD = 1.15
"""Bytes that the whole database grows by, for each byte of content of the four large tables."""
POSTGRESQL_CPU = "9 to 14"
"""Milliseconds of CPU a minute, beyond those with SQLite; from the same runs."""
LOCAL_DISK = 5.0
"""Gigabytes for reports, the spool and logs beside a database on another machine: a choice, not a measurement."""
MOST_BUSY = 0.7
"""Share of one core up to which the daemon's threads do not wait long for each other: a choice."""
MOST_MODELS = 1000
"""Models of the largest measured tick with data for all of them (docs/performance.md)."""
