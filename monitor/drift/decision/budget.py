"""The budget of false alarms: from text such as `1 per 30 days` to limits for the evidence."""

import re
from dataclasses import dataclass

import numpy as np

from monitor.config.units import DAY, HOUR
from monitor.drift.columns import Floats, Role, WatchedColumn
from monitor.windows.layout.layout import is_of_label_sets, is_signal

_WORDS = re.compile(r"(\d+(?:\.\d+)?) per (?:(\d+(?:\.\d+)?) )?(hour|day|week|month|quarter|year)s?")
_SECONDS = {
    "hour": float(HOUR),
    "day": float(DAY),
    "week": 604_800.0,
    "month": 2_592_000.0,
    "quarter": 7_862_400.0,
    "year": 31_536_000.0,
}

OUTPUT_SHARE, GLOBAL_SHARE = 0.2, 0.1
SILENT = 1e-3

# Scores are only approximately normal after a few weeks of data: the limit includes this reserve.
RESERVE = 1.3

# With many columns the limits lie far in the tails, where calibrated scores are slightly heavier than normal: beyond
# this many columns the limit grows by this additional power of their number.
MANY, EXTRA_POWER = 50, 2.5


@dataclass(frozen=True, slots=True)
class Budget:
    """The accepted number of false alarms in a number of seconds."""

    alarms: float
    seconds: float

    def limit(self, window_seconds: int, raised: float = 1.0) -> float:
        """The mean number of windows between false alarms that the budget requires."""
        return max(self.seconds / self.alarms / window_seconds, 1.0) * raised

    def over(self, models: int) -> "Budget":
        """The budget of one model if a fleet of `models` shares it."""
        return Budget(self.alarms / max(models, 1), self.seconds)

    def __str__(self) -> str:
        days = self.seconds / DAY
        span = f"{days:g} days" if days != 1 else "day"
        alarms = f"{self.alarms:g} false alarm" + ("" if self.alarms == 1 else "s")
        return f"{alarms} in {span}"


def parse(words: str) -> Budget:
    """Parse `1 per 30 days`, `2 per week` or `1 per quarter`.

    Raises:
        ValueError: the words are not of that form, or ask for no alarms at all.
    """
    match = _WORDS.fullmatch(words.strip())
    if match is None or float(match[1]) <= 0 or float(match[2] or 1) <= 0:
        raise ValueError(f"{words!r} is not a budget (use '1 per 30 days', '2 per week', '1 per quarter')")
    return Budget(float(match[1]), float(match[2] or 1) * _SECONDS[match[3]])


def limits(
    columns: tuple[WatchedColumn, ...],
    limit: float,
    importance: dict[str, float] | None = None,
    silent: np.ndarray | None = None,
) -> Floats:
    """The evidence that each column needs, followed by that of all columns together, shape (columns + 1,).

    Outputs share a fifth of the budget, all columns together have a tenth, inputs share the rest. Within a role,
    `importance` divides the budget: a column twice as important needs half the evidence, at the expense of the others.
    All signals together count as one output, so that they take little from the prediction; so do all columns of sets of
    labels, and all relations as one input.
    `silent`, bool (columns,), marks columns without any value in the reference (such as the confidence of a model that
    sends none): they get a thousandth of a share, enough to detect that values appear.
    """
    related = np.array([bool(column.relates) for column in columns], dtype=bool)
    counted = len(columns) - int(related.sum()) + bool(related.any())
    limit *= RESERVE * max(counted / MANY, 1.0) ** EXTRA_POWER
    needed = np.full(len(columns) + 1, limit / GLOBAL_SHARE)
    outputs = np.array([column.role is Role.OUTPUT for column in columns], dtype=bool)
    weight = np.array(
        [max((importance or {}).get(column.name.removeprefix("features."), 1.0), 1e-3) for column in columns]
    )
    signals = np.array([is_signal(column.name) for column in columns], dtype=bool)
    weight = np.where(signals, weight / max(int(signals.sum()), 1), weight)
    of_sets = np.array([is_of_label_sets(column.name) for column in columns], dtype=bool)
    weight = np.where(of_sets, weight / max(int(of_sets.sum()), 1), weight)
    weight = np.where(related, weight / max(int(related.sum()), 1), weight)
    quiet = np.zeros(len(columns), bool) if silent is None else silent
    weight = np.where(quiet, weight * SILENT, weight)
    of_outputs = OUTPUT_SHARE * (1 if (outputs & ~quiet).any() else SILENT * bool(outputs.any()))
    for role, share in ((outputs, of_outputs), (~outputs, 1 - GLOBAL_SHARE - of_outputs)):
        if role.any():
            share = 1 - GLOBAL_SHARE if role.all() else share
            needed[:-1][role] = limit / share * weight[role].sum() / weight[role]
    return needed
