"""How the drift watch would have done on a past of your own: learned from its first part, judged over the rest.

    from monitor import rehearse
    rehearse("last-quarter.parquet", time="scored_at")     # pandas, Polars, Arrow, or the path of a file

Nothing is stored and nobody is told. The decision is the daemon's own (`monitor.drift`), so what is raised here is what
it would have raised there. The whole table is in memory.
"""

from collections.abc import Callable, Collection, Mapping

from monitor import drift
from monitor.clock import iso
from monitor.drift import power, reference
from monitor.drift import replay as replaying
from monitor.drift.adapter import Adapter, adapter
from monitor.drift.learning import is_special, learn
from monitor.durations import format_duration
from monitor.errors import InputError
from monitor.records import Window
from monitor.rehearsal.history import History, read
from monitor.rehearsal.result import Rehearsal
from monitor.rehearsal.watching import watch_over
from monitor.sources.dialect import dialect
from monitor.windows import describe
from monitor.windows.count import count
from monitor.windows.layout import Kind, Layout

Progress = Callable[[int, int], None]
_SHORTEST = 60


def rehearse(
    data: object,
    *,
    time: str = "timestamp",
    settings: drift.DriftSettings | None = None,
    ignore: Collection[str] = (),
    kinds_of: Mapping[str, Kind] | None = None,
    progress: Progress = lambda _done, _of: None,
    separator: str = "",
    encoding: str = "",
) -> Rehearsal:
    """Learn from the first `settings.reference` seconds of a table (at most half of it), and judge what follows.

    `time` is the column that says when a row was; `prediction` and `confidence` are outputs, every other column that
    `ignore` does not name is a feature. `kinds_of` names the kind of single columns where their values mislead.
    `progress` is told (done, of) windows. `separator` and `encoding` of a CSV file are found where that is safe.

    Raises:
        InputError: the file cannot be read, has no such column, or is too short to learn from.
    """
    rules = settings or drift.DriftSettings()
    past = read(data, time, ignore, dialect(separator, encoding))
    split = past.start + min(rules.reference, (past.end - past.start) / 2)
    first = past.rows(past.start, split)
    layout = describe.of(first, kinds_of)
    watched = adapter(layout)
    seconds = reference.length(first.num_rows, split - past.start, _SHORTEST, rules)
    windows = _count(past, layout, watched, seconds, rules, progress)
    learned = [one for one in windows if one.window.end <= split]
    if len(learned) < replaying.LEAST_WINDOWS:
        raise InputError(_too_few(len(learned), seconds, past), hint="a longer reference, or shorter windows")
    calibration = learn(watched.columns, learned, rules.budget, rules)
    limit = rules.budget.limit(seconds, calibration.raised)
    needed = drift.limits(calibration.columns, limit, rules.importance, calibration.silent)
    return Rehearsal(
        learned=Window(calibration.start, calibration.end),
        learned_windows=len(learned),
        seconds=seconds,
        columns=past.columns,
        untimed=past.untimed,
        notes=past.notes,
        meaning=power.meaning(calibration, needed, rules.budget),
        raised=calibration.raised,
        note=replaying.too_little(calibration.start, calibration.end, len(learned)),
        judged=tuple(one.window for one in windows[len(learned) :]),
        incidents=tuple(watch_over(calibration, needed, rules.budget, windows[len(learned) :])),
    )


def _count(
    past: History,
    layout: Layout,
    watched: Adapter,
    seconds: int,
    settings: drift.DriftSettings,
    progress: Progress,
) -> list[drift.WindowCounts]:
    """The counts of each window that holds rows and is no special day, in order."""
    found = [one for one in past.windows(seconds) if not is_special(one, settings)]
    counted = []
    for done, window in enumerate(found, 1):
        for rows in past.rows(window.start, window.end).combine_chunks().to_batches():
            counted.append(watched.counts(count(rows, layout), window))
        progress(done, len(found))
    return counted


def _too_few(windows: int, seconds: int, past: History) -> str:
    span = f"{iso(past.start)} to {iso(past.end)}"
    return (
        f"only {windows} windows of {format_duration(seconds)} to learn from (the rows are from {span}), "
        f"and {replaying.LEAST_WINDOWS} are needed"
    )


__all__ = ["Rehearsal", "rehearse"]
