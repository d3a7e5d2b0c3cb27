"""Detects sudden declines: compares outcomes that arrive now with the usual level.

Outcomes are counted by their time of arrival, whatever the time of their predictions. So late outcomes are evaluated at
once. If correct answers become known sooner or later than wrong ones, the mixture that arrives is still representative,
as long as traffic and delays are stable.

Errors of numbers grow with the numbers. While the truths are larger than those of the reference, so is the error that
counts as usual. Before a day was seen, truths of more than twice that size are no evidence at all.

Nothing is stored: after a start, evidence is collected again.
"""

import math
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from sqlalchemy import Connection

from monitor.config.units import DAY, HOUR, WEEK
from monitor.metrics.quality.decline import DECLINE_EVIDENCE, WATCHED, Declining, Sums
from monitor.metrics.quality.task import ORDERING, named
from monitor.metrics.sequential import LogEvidence, Reference, step
from monitor.metrics.truth_level import TruthLevel, growth, root_mean_square
from monitor.records import Labels, Measurement, Stream, Window, labels
from monitor.rules.language.wording import figure
from monitor.store import measurement_queue, predictions, timeseries
from monitor.store.timeseries import MeasurementColumns, Series
from monitor.windows import baseline as baselines
from monitor.windows.profile import Profile

STEP = 30
"""Seconds of a step."""
BUDGET = 30 * DAY
"""Seconds in which one false alarm is accepted, of all metrics of a model together."""
LIMIT = BUDGET / STEP * len(WATCHED)
HISTORY = 600.0
"""Seconds. Older predictions, and their outcomes, count as loaded history."""
GATHERING = 1200.0
"""Seconds after a start during which missing evidence does not mean that all is well."""
FEWEST = 300
"""Minimum number of outcomes of a reference."""
_GROSS = 0.15
"""Margin below a share of the baseline."""
_GROSS_ERRORS = 1.5
"""Margin above a mean error of the baseline, as a multiple of it: a forest's errors on its training rows are about half
of those on new rows.
"""
_LIKE = 2.0
"""How many times larger than those of a reference of hours truths may be, to be compared with it."""
_WHOLE_DAY = 24
"""Hourly windows from which on a reference knows the hours of a day."""
_SHOWN = 10
_SOME = 0.001
_MOST_LOADED = 10_000


@dataclass(frozen=True, slots=True)
class Usual:
    """A reference, and the size of its truths: None if it is that of the truths that arrived, or plays no part.

    `is_partial`: it does not know all hours of a day.
    """

    reference: Reference
    truths: float | None = None
    is_partial: bool = False


@dataclass(slots=True)
class _Watch:
    """The state of one metric of one stream. `growing` is the number of steps for which there has been evidence, and
    `wanted_at` when its reference was first asked for.
    """

    now: Sums = (0.0, 0.0)
    evidence: LogEvidence = field(default_factory=LogEvidence)
    usual: Usual | None = None
    referred_at: float = -math.inf
    wanted_at: float | None = None
    latest: deque[Sums] = field(default_factory=lambda: deque(maxlen=_SHOWN))
    growing: int = 0
    level: TruthLevel = field(default_factory=TruthLevel)


class DeclineDetector:
    """Sums arriving outcomes, evaluates them every half minute, and measures `decline_evidence`. Not thread-safe."""

    def __init__(self, base_seconds: int, tasks: Mapping[tuple[str, str], str] | None = None) -> None:
        self._base = base_seconds
        self._tasks = tasks or {}
        self._watched: dict[Stream, dict[str, _Watch]] = {}
        self._loaded: dict[Stream, set[Window]] = {}
        self._began: float | None = None
        self._taken_over: dict[Stream, float] = {}
        self._judged = 0

    def add(self, stream: Stream, window: Window, counted: Profile, now: float) -> None:
        """Add newly counted rows. Loaded history is ignored."""
        loaded = self._loaded.setdefault(stream, set())
        if counted.rows and window.end < now - HISTORY:
            loaded.add(window)
            if len(loaded) > _MOST_LOADED:
                loaded.clear()
        if window in loaded:
            return
        watched = self._watched.setdefault(stream, {})
        has_errors = named(self._tasks.get((stream.client, stream.model), "")) not in ORDERING
        for name, one in WATCHED.items():
            if one.compares and not has_errors:
                continue
            if one.needs and name not in watched and not counted.overall.flag(one.needs):
                continue
            good, n = one.sums(counted.overall)
            if n > 0:
                watch = watched.setdefault(name, _Watch())
                watch.now = watch.now[0] + good, watch.now[1] + n
                if one.squares is not None:
                    watch.level.add(one.squares(counted.overall), n)

    def change_hands(self, gone: Iterable[Stream], come: Iterable[Stream], now: float) -> None:
        """Forget streams that another process watches now, and begin with those that it watched before."""
        for stream in gone:
            self._watched.pop(stream, None)
            self._loaded.pop(stream, None)
            self._taken_over.pop(stream, None)
        self._taken_over |= dict.fromkeys(come, now)

    def _began_with(self, stream: Stream, now: float) -> float:
        """Since when the stream is watched here."""
        return self._taken_over.get(stream, self._began or now)

    def advance(self, connection: Connection, now: float, seconds: float = math.inf) -> None:
        """Evaluate the outcomes of the last half minute, once it has ended. References are read for so many seconds, at
        least one: those of many streams after a start are read in several steps, first what waited longest.
        """
        self._began = now if self._began is None else self._began
        if int(now) // STEP == self._judged:
            return
        self._judged = int(now) // STEP
        until = time.monotonic() + seconds
        arrived = [
            (watch.referred_at, stream, name)
            for stream, watched in self._watched.items()
            for name, watch in watched.items()
            if watch.now[1] > 0
        ]
        for place, (_, stream, name) in enumerate(sorted(arrived)):
            watch = self._watched[stream][name]
            if place == 0 or time.monotonic() < until:
                self._refer(connection, stream, WATCHED[name], watch, now)
            self._step(stream, WATCHED[name], watch, now)

    def measure(self, stream: Stream, now: float) -> list[Measurement]:
        """The evidence of each metric of a stream."""
        watched = self._watched.get(stream, {})
        return [self._measurement(stream, WATCHED[name], watch, now) for name, watch in watched.items()]

    def _refer(
        self, connection: Connection, stream: Stream, one: Declining, watch: _Watch, now: float
    ) -> None:
        """Read what is usual, unless it was read lately, or the present outcomes are unusual already."""
        is_quiet = watch.evidence.beyond(LIMIT) < 0.01
        is_old = now - watch.referred_at >= (HOUR if watch.usual is not None else STEP * 2)
        if is_old and (is_quiet or watch.usual is None) and _is_settled(connection, stream, watch, now):
            usual = usual_of(connection, stream, one, self._base, now)
            if usual is not None or watch.usual is None:
                watch.usual = usual
            watch.referred_at = now

    def _step(self, stream: Stream, one: Declining, watch: _Watch, now: float) -> None:
        reference = self._reference(one, watch, now, self._began_with(stream, now))
        if reference is not None:
            watch.evidence = step(watch.evidence, reference, *watch.now, LIMIT)
            watch.growing = watch.growing + 1 if watch.evidence.beyond(LIMIT) > _SOME else 0
        watch.latest.append(watch.now)
        watch.now = (0.0, 0.0)
        watch.level.close(now)

    @staticmethod
    def _reference(one: Declining, watch: _Watch, now: float, began: float) -> Reference | None:
        """The reference for the truths of this step; None if they cannot be compared with it."""
        usual = watch.usual
        if usual is None or one.squares is None:
            return usual.reference if usual is not None else None
        if usual.is_partial and now - began < 2 * HOUR:
            return None  # the truths of the reference are not known yet
        times = growth(root_mean_square(watch.level.now), usual.truths or watch.level.usual)
        if math.isinf(times) or (usual.is_partial and times > _LIKE):
            return None
        kept = usual.reference
        return replace(
            kept, mean=kept.mean * times, margin=kept.margin * times, deviation=kept.deviation * times
        )

    def _measurement(self, stream: Stream, one: Declining, watch: _Watch, now: float) -> Measurement:
        info, where = DECLINE_EVIDENCE, labels(of=one.metric)
        window = Window(int(now) - STEP * _SHOWN, int(now))
        n = sum(amount for _, amount in watch.latest)
        value: float | None = watch.evidence.beyond(LIMIT)
        reason = ""
        if watch.usual is None:
            value, reason = (
                None,
                f"no reference yet: {FEWEST} outcomes of the past, or a baseline, are needed",
            )
        elif value is not None and value < 1 and now - self._began_with(stream, now) < GATHERING:
            value, reason = None, "evidence is collected again after the start of the daemon"
        because = _because(one, watch) if value is not None and value >= 1 else ""
        return Measurement(
            stream, window, info.name, value, info.unit, info.better, n, where, reason=reason, because=because
        )


def _is_settled(connection: Connection, stream: Stream, watch: _Watch, now: float) -> bool:
    """Whether the figures of the past are whole. Those of a past that was loaded lack outcomes until these are matched
    and their hours measured again; they are waited for, but not for more than two hours.
    """
    watch.wanted_at = now if watch.wanted_at is None else watch.wanted_at
    if now - watch.wanted_at >= 2 * HOUR:
        return True
    if predictions.unsearched_rows(connection, stream, now - DAY, now - 2 * STEP) >= FEWEST:
        return False
    return measurement_queue.amount(connection, stream, HOUR) < _WHOLE_DAY


def _because(one: Declining, watch: _Watch) -> str:
    """`accuracy of the last 240 outcomes is 8 %, usually 95 %`, over the steps in which evidence grew."""
    assert watch.usual is not None
    unit = "share" if one.is_share else ""
    latest = list(watch.latest)[-max(2, watch.growing) :]
    n = sum(amount for _, amount in latest)
    mean = sum(good for good, _ in latest) / n
    now, usual = (figure(one.good(value), unit) for value in (mean, watch.usual.reference.mean))
    return f"{one.metric} of the last {n:,.0f} to arrive is {now}, usually {usual}"


def usual_of(connection: Connection, stream: Stream, one: Declining, base: int, now: float) -> Usual | None:
    """The usual level: the last week without the last two hours, else the last two hours without the last ten minutes,
    else the baseline (from which only a gross decline counts); None without any. Where errors grow with the numbers,
    the baseline comes before hours that do not make a day: the numbers of other hours may be larger.
    """
    week = timeseries.load(connection, stream, one.metric, HOUR, now - WEEK, now - 2 * HOUR)
    is_partial = one.squares is not None and int(np.isfinite(week.values).sum()) < _WHOLE_DAY
    if is_partial and (usual := _of_baseline(connection, stream, one, base, now)):
        return usual
    if reference := _reference_from(one, week, _WHOLE_DAY):
        return Usual(reference, is_partial=is_partial)
    recent = timeseries.load(connection, stream, one.metric, base, now - 2 * HOUR, now - HISTORY)
    if reference := _reference_from(one, recent, math.inf):
        return Usual(reference, is_partial=is_partial)
    return None if is_partial else _of_baseline(connection, stream, one, base, now)


def _reference_from(one: Declining, series: Series, many: float) -> Reference | None:
    """Mean, margin and deviation of single outcomes, from windows. With `many` windows, their spread is trusted."""
    is_measured = np.isfinite(series.values) & (series.n > 0)
    values, n = series.values[is_measured], series.n[is_measured]
    if n.sum() < FEWEST:
        return None
    mean = float((values * n).sum() / n.sum())
    half = (series.high[is_measured] - series.low[is_measured]) / 2 / 1.96
    deviation = float(np.sqrt(np.nanmedian(half**2 * n))) if np.isfinite(half).any() else 0.0
    deviation = max(deviation, 0.02 * abs(mean))  # constant values in the past do not make others impossible
    if one.is_share:
        deviation = math.sqrt(max(mean * (1 - mean), 1e-9))
    if deviation <= 0:
        return None
    spread = float((n * (values - mean) ** 2).sum() / n.sum()) - deviation**2 * values.size / float(n.sum())
    wander = math.sqrt(max(spread, 0.0))
    least = 0.02 if one.is_share else 0.1 * deviation
    margin = max(least if values.size >= many else 1.5 * least, 2 * wander)
    return Reference(one.good(mean), margin, deviation, one.is_share)


def _of_baseline(
    connection: Connection, stream: Stream, one: Declining, base: int, now: float
) -> Usual | None:
    """The baseline's value. Its rows may be those that the model was trained on, so only a gross decline counts."""
    for seconds in (HOUR, base):
        columns = timeseries.load_columns(
            connection, stream, seconds, now - HOUR, now, {one.metric, one.spread}
        )
        usual = _latest_baseline(columns, one.metric)
        if usual is None:
            continue
        if one.is_share:
            return Usual(Reference(one.good(usual), _GROSS))
        root_square = _latest_baseline(columns, one.spread)
        if root_square is None or usual <= 0:
            return None
        deviation = math.sqrt(max(root_square**2 - usual**2, (usual / 2) ** 2))
        reference = Reference(one.good(usual), _GROSS_ERRORS * usual, deviation, is_share=False)
        return Usual(reference, _truths_of_baseline(connection, stream, one))
    return None


def _truths_of_baseline(connection: Connection, stream: Stream, one: Declining) -> float | None:
    baseline = baselines.load(connection, stream)
    if baseline is None or one.squares is None:
        return None
    part = baseline.profile.overall
    return root_mean_square((one.squares(part), one.sums(part)[1]))


def _latest_baseline(columns: Mapping[tuple[str, Labels], MeasurementColumns], metric: str) -> float | None:
    series = columns.get((metric, ()))
    usual = series.baseline[np.isfinite(series.baseline)] if series is not None else np.array([])
    return float(usual[-1]) if usual.size else None
