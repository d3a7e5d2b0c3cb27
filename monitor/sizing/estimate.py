"""Estimates what a number of models needs, from measured figures. Pure."""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from monitor.config.units import DAY, MINUTE
from monitor.errors import InputError
from monitor.sizing import figures
from monitor.sizing.figures import GRID, Kept
from monitor.visible import counted

MB, GB = 10**6, 10**9
_MOST = 10**9
"""A rate, a number of models or features beyond it is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is expected: models, predictions a second and features of each, and how long data is kept (seconds).

    `retention` is that of rows, `figures` of profiles and hours, `fine` of measurements of minutes.

    Raises:
        InputError: a number is not positive, or absurd.
    """

    models: int
    rate: float
    features: int
    retention: float
    figures: float
    fine: float

    def __post_init__(self) -> None:
        numbers = {"models": self.models, "rate": self.rate, "features": self.features}
        for name, number in numbers.items():
            if not 0 < number <= _MOST:
                raise InputError(f"--{name} must be above 0 and at most {_MOST:,}")

    @property
    def total_rate(self) -> float:
        """Predictions a second of all models together."""
        return self.models * self.rate


@dataclass(frozen=True, slots=True)
class Summand:
    """One summand: what it is, how much (cores, or bytes), and how it was computed."""

    what: str
    amount: float
    how: str


@dataclass(frozen=True, slots=True)
class SizingEstimate:
    """What the load needs. `processor` is in cores, the others in bytes; `cautions` are sentences."""

    load: Load
    processor: tuple[Summand, ...]
    memory: tuple[Summand, ...]
    disk: tuple[Summand, ...]
    postgresql: tuple[Summand, ...]
    cautions: tuple[str, ...]

    @property
    def cores(self) -> int:
        """Cores to have: twice what is busy, and one for the child processes."""
        return 1 + max(1, math.ceil(2 * total(self.processor)))

    @property
    def memory_bytes(self) -> float:
        """Memory to have: a quarter more than the sum, for the kernel's cache of files."""
        return 1.25 * total(self.memory)

    @property
    def disk_bytes(self) -> float:
        """Disk to have, with the database on it: the doctor warns above 90 % used."""
        return total(self.disk) / 0.8


def total(parts: tuple[Summand, ...]) -> float:
    """The sum of the parts."""
    return sum(part.amount for part in parts)


def estimate(load: Load) -> SizingEstimate:
    """What the load needs."""
    kept = _kept(load)
    disk = _disk(load, kept)
    return SizingEstimate(
        load,
        processor=_processor(load, kept),
        memory=_memory(load),
        disk=disk,
        postgresql=(
            Summand(
                "database on the server",
                total(disk) / figures.SQLITE_OVERHEAD * figures.POSTGRESQL_OVERHEAD,
                f"the same content, {figures.POSTGRESQL_OVERHEAD:g} bytes for each byte of it",
            ),
        ),
        cautions=tuple(_cautions(load, kept)),
    )


def _kept(load: Load) -> Kept:
    """The figures at this rate and this number of features, between and beyond the measured ones."""
    rows = load.rate * MINUTE
    at = [_between_features(load.features, *pair) for pair in zip(GRID[::2], GRID[1::2], strict=True)]
    position = max(rows, at[0].rows)
    low, high = next(((a, b) for a, b in itertools.pairwise(at) if position <= b.rows), (at[-2], at[-1]))
    by_size = math.log(position / low.rows) / math.log(high.rows / low.rows)
    by_rows = (position - low.rows) / (high.rows - low.rows)
    if by_size > 1:  # the content of a row, and of measurements, does not depend on how many there are
        low_row, by_row = high, 1.0
    else:
        low_row, by_row = low, by_size
    return Kept(
        rows=position,
        features=load.features,
        row=low_row.row + by_row * (high.row - low_row.row),
        profiles=low.profiles + by_size * (high.profiles - low.profiles),
        sums=low.sums + by_size * (high.sums - low.sums),
        fine=low_row.fine + by_row * (high.fine - low_row.fine),
        hourly=low_row.hourly + by_row * (high.hourly - low_row.hourly),
        cpu=low.cpu + by_rows * max(0.0, high.cpu - low.cpu),  # few features: both are extrapolated
    )


def _between_features(features: float, few: Kept, many: Kept) -> Kept:
    """The figures for so many features: what a model takes by itself, and what each feature adds."""
    share = (features - few.features) / (many.features - few.features)

    def at(a: float, b: float) -> float:
        return max(a + share * (b - a), a / 2)

    return Kept(
        few.rows,
        features,
        row=at(few.row, many.row),
        profiles=at(few.profiles, many.profiles),
        sums=at(few.sums, many.sums),
        fine=at(few.fine, many.fine),
        hourly=at(few.hourly, many.hourly),
        cpu=at(few.cpu, many.cpu),
    )


def _single(rate: float) -> float:
    """µs of CPU for a prediction sent alone, at so many a second. The cores that they take together grow with the rate:
    they are interpolated between the measured ones.
    """
    rates = np.log([one for one, _ in figures.SINGLES])
    cores = np.log([one * each for one, each in figures.SINGLES])
    at = float(np.clip(math.log(rate), rates[0], rates[-1]))
    return math.exp(float(np.interp(at, rates, cores)) - at)


def _processor(load: Load, kept: Kept) -> tuple[Summand, ...]:
    array, single = figures.ARRAY, _single(load.total_rate)
    return (
        Summand("ticks", figures.TICKS.amount, "of a daemon with one model in use"),
        Summand(
            "accepting predictions",
            load.total_rate * single * 1e-6,
            f"{load.total_rate:,.0f}/s x {single:,.0f} µs each, sent one by one (in arrays of 100: "
            f"{array.amount:g} µs, {load.total_rate * array.amount * 1e-6:.2f} cores)",
        ),
        Summand(
            "counting, measuring, rules",
            load.models * kept.cpu / 1000 / MINUTE,
            f"{counted(load.models, 'model')} x {kept.cpu:.0f} ms a minute, on one core",
        ),
    )


def _memory(load: Load) -> tuple[Summand, ...]:
    idle, stream, traffic, child = figures.IDLE, figures.STREAM, figures.TRAFFIC, figures.CHILD
    share = load.features / 50
    return (
        Summand("daemon at rest", idle.amount * MB, f"{idle.amount:g} MB"),
        Summand(
            "baselines and buckets",
            load.models * share * stream.amount * MB,
            f"{counted(load.models, 'model')} x {share * stream.amount:.2f} MB",
        ),
        Summand("requests and ticks under load", traffic.amount * MB, f"{traffic.amount:g} MB"),
        Summand(
            "child process that learns drift, for minutes",
            max(1.0, load.features / 64) * child.amount * MB,
            f"{child.amount:g} MB with 64 features",
        ),
    )


def _disk(load: Load, kept: Kept) -> tuple[Summand, ...]:
    over, models = figures.SQLITE_OVERHEAD, load.models

    def of_minutes(size: float, seconds: float) -> float:
        return over * models * size * seconds / MINUTE

    def described(size: float, seconds: float) -> str:
        return f"{counted(models, 'model')} x {size:,.0f} bytes a minute x {seconds / DAY:g} days"

    rows = over * load.total_rate * load.retention * kept.row
    how = f"{load.total_rate:,.0f}/s x {kept.row:,.0f} bytes x {load.retention / DAY:g} days"
    fine = min(load.fine, load.figures)
    return (
        Summand("rows of predictions", rows, how),
        Summand(
            "profiles of minutes",
            of_minutes(kept.profiles, load.figures),
            described(kept.profiles, load.figures),
        ),
        Summand(
            "measurements of hours",
            of_minutes(kept.hourly, load.figures),
            described(kept.hourly, load.figures),
        ),
        Summand(
            "measurements of minutes, sums of profiles",
            of_minutes(kept.fine + kept.sums, fine),
            described(kept.fine + kept.sums, fine),
        ),
    )


def _cautions(load: Load, kept: Kept) -> list[str]:
    """Where the figures end."""
    cautions = []
    busy = total(_processor(load, kept))
    if busy > figures.MOST_BUSY:
        arrays = busy - load.total_rate * (_single(load.total_rate) - figures.ARRAY.amount) * 1e-6
        remedy = (
            "Send arrays of records: then one daemon is enough."
            if arrays <= figures.MOST_BUSY
            else f"Divide the models among {math.ceil(arrays / figures.MOST_BUSY)} daemons, and send arrays of records."
        )
        cautions.append(f"Python code of one daemon uses one core, and this load needs {busy:.1f}. {remedy}")
    rows = load.rate * MINUTE
    low, high = GRID[0], GRID[-1]
    if rows > high.rows or not low.features <= load.features <= high.features:
        cautions.append(
            f"Extrapolated: measured were {low.rows:,.0f} to {high.rows:,.0f} predictions a minute of "
            f"{low.features:,.0f} to {high.features:,.0f} features for each model."
        )
    if rows < low.rows:
        cautions.append(
            f"Profiles of fewer than {low.rows:,.0f} predictions a minute are smaller than those counted here."
        )
    if load.models > figures.MOST_MODELS:
        cautions.append(f"Ticks were measured with up to {figures.MOST_MODELS:,} models.")
    return cautions
