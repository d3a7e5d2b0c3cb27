"""Incidents on streams as companies have them: `python -m tests.bench.company_streams [NAME ...]` prints them.

Rows of 56 days (about 100 an hour, fewer at night and on weekends) are rehearsed: four weeks are learned from, and what
changes does so from day 35 to day 45, unless it says otherwise. The seed is 3001.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.rehearsal import rehearse
from tests.bench.streams import HOUR

START = 1_736_121_600
"""A Monday."""
DAYS, FROM, UNTIL, SEED = 56, 35, 45, 3001
DAY = 24 * HOUR
Volume = Callable[[int, float], float]


@dataclass(slots=True)
class Rows:
    """The rows of a stream: `hour` counts from its start, and `columns` are the features (all of shape (n,))."""

    rng: np.random.Generator
    seconds: np.ndarray
    hour: np.ndarray
    columns: dict[str, np.ndarray | pa.Array]

    @property
    def moved(self) -> np.ndarray:
        """The rows of the days of the change."""
        return (self.hour >= FROM * 24) & (self.hour < UNTIL * 24)

    @property
    def weekend(self) -> np.ndarray:
        """The rows of weekends."""
        return self.hour // 24 % 7 >= 5


def drawn(volume: Volume = lambda hour, usual: usual, days: int = DAYS) -> Rows:
    """Rows without a change; `volume` gives the rows expected in an hour from the usual number."""
    rng = np.random.default_rng(SEED)
    hours = np.arange(days * 24)
    usual = (
        100 * (1 + 0.6 * np.sin(2 * np.pi * (hours % 24 - 8) / 24)) * np.where(hours // 24 % 7 >= 5, 0.5, 1)
    )
    count = rng.poisson([max(volume(int(h), float(u)), 0.0) for h, u in zip(hours, usual, strict=True)])
    hour = np.repeat(hours, count)
    n = len(hour)
    level = 0.4 * np.sin(2 * np.pi * (hour % 24 - 8) / 24) + 0.2 * (hour // 24 % 7 >= 5)
    columns: dict[str, np.ndarray | pa.Array] = {
        "amount": np.exp(3 + 0.8 * (rng.normal(size=n) + level)),
        "age": rng.normal(45, 12, n),
        "items": rng.poisson(3, n),
        "country": rng.choice(["DE", "FR", "IT", "ES"], n, p=[0.5, 0.3, 0.15, 0.05]),
        "channel": rng.choice(["web", "app", "shop"], n, p=[0.5, 0.3, 0.2]),
        "balance": rng.normal(1000, 300, n),
    }
    return Rows(rng, START + (hour + rng.random(n)) * HOUR, hour, columns)


def _with(name: str, change: Callable[[Rows], np.ndarray | pa.Array]) -> Callable[[], Rows]:
    """A stream of which one column is replaced."""

    def made() -> Rows:
        rows = drawn()
        rows.columns[name] = change(rows)
        return rows

    return made


def _clock() -> Rows:
    rows = drawn()
    values = np.asarray(rows.columns["amount"])
    earlier = np.sin(2 * np.pi * (rows.hour % 24 - 7) / 24) - np.sin(2 * np.pi * (rows.hour % 24 - 8) / 24)
    rows.columns["amount"] = values * np.exp(0.32 * earlier * (rows.hour >= FROM * 24))
    return rows


def _late() -> Rows:
    rows = drawn()
    rows.seconds = rows.seconds + DAY * rows.moved
    return rows


def _month_end() -> Rows:
    at_end = (24, 25, 52, 53)
    rows = drawn(lambda hour, usual: usual * (3 if hour // 24 in at_end else 1))
    rows.columns["amount"] = np.asarray(rows.columns["amount"]) * np.where(
        np.isin(rows.hour // 24, at_end), np.exp(0.4), 1
    )
    return rows


def _repeated(share: float) -> Callable[[], Rows]:
    def made() -> Rows:
        rows = drawn()
        chosen = rows.moved & (rows.rng.random(len(rows.hour)) < share)
        first = int(np.flatnonzero(chosen)[0])
        for name, values in rows.columns.items():
            rows.columns[name] = np.where(chosen, np.asarray(values)[first], np.asarray(values))
        return rows

    return made


def _split(rows: Rows) -> np.ndarray:
    return np.where(rows.rng.random(len(rows.hour)) < np.where(rows.moved, 0.9, 0.5), "A", "B")


def _null_in_a_segment(rows: Rows) -> pa.Array:
    return pa.array(rows.columns["balance"], mask=rows.moved & (np.asarray(rows.columns["country"]) == "IT"))


def _customers(rows: Rows) -> np.ndarray:
    quiet = rows.weekend | ((rows.hour >= 42 * 24) & (rows.hour < 49 * 24))
    drawn_ = rows.rng.random(len(rows.hour))
    return np.where(
        drawn_ < np.where(quiet, 0.2, 0.6), "business", np.where(drawn_ < 0.9, "private", "other")
    )


def _prices() -> Rows:
    rows = drawn(days=88)
    rows.columns["price"] = np.exp(6 + 0.58 * rows.rng.normal(size=len(rows.hour)) + 0.001 * rows.hour / 24)
    return rows


def _noise(rows: Rows) -> np.ndarray:
    return np.asarray(
        np.asarray(rows.columns["items"]) + (rows.rng.random(len(rows.hour)) - 0.5) * rows.moved
    )


STREAMS: dict[str, Callable[[], Rows]] = {
    "nothing changes": drawn,
    "no rows on Sundays": lambda: drawn(lambda hour, usual: 0 if hour // 24 % 7 == 6 else usual),
    "two rows an hour on Sundays": lambda: drawn(lambda hour, usual: 2 if hour // 24 % 7 == 6 else usual),
    "traffic that grows tenfold": lambda: drawn(lambda hour, usual: 0.4 * usual * 10 ** (hour / (DAYS * 24))),
    "1,500 rows a day, at 02:00": lambda: drawn(lambda hour, _: 1500 * (hour % 24 == 2), 90),
    "the last two days of each month: three times the rows, amounts half a deviation higher": _month_end,
    "the daily pattern an hour earlier, from day 35 on": _clock,
    "timestamps late by a day": _late,
    "A/B split from 50/50 to 90/10": _with("variant", _split),
    "a number becomes constant": _with("balance", lambda r: np.where(r.moved, 1000.0, r.columns["balance"])),
    "a label becomes constant": _with("channel", lambda r: np.where(r.moved, "web", r.columns["channel"])),
    "whole numbers get fractions": _with("items", _noise),
    "another unit (x1000)": _with("balance", lambda r: r.columns["balance"] * np.where(r.moved, 1000, 1)),
    "null in one segment (15 %)": _with("balance", _null_in_a_segment),
    "one row repeated in 30 % of the rows": _repeated(0.3),
    "one row repeated in 5 % of the rows": _repeated(0.05),
    "prices that rise by 0.1 % a day, for 88 days": _prices,
    "a week in which customers are those of weekends, from day 42 on": _with("segment", _customers),
}


def main() -> None:
    """Read the command line, rehearse, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="some of the streams; all if none is named")
    for name in parser.parse_args().names or STREAMS:
        rows = STREAMS[name]()
        score = 0.02 * (np.asarray(rows.columns["age"]) - 45) + rows.rng.normal(size=len(rows.hour))
        answers = {"timestamp": rows.seconds, "prediction": np.where(score > 0, "yes", "no")}
        found = rehearse(pa.table({**rows.columns, **answers}))
        print(f"{name}: {len(found.incidents)}", flush=True)
        for one in found.incidents:
            times = (one.opened, one.since, one.earliest, one.latest, one.closed)
            days = ["-" if at is None else f"{(at - START) / DAY:.1f}" for at in times]
            print(
                f"  opened {days[0]}, since {days[1]} ({days[2]} to {days[3]}), closed {days[4]}: {one.reason}"
            )


if __name__ == "__main__":
    main()
