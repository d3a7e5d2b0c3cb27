"""The pauses in each stream's traffic, and whether its silence now is longer than they explain.

What came in since the start of the daemon is watched as it arrives. What came before is read from the base windows that
are stored, once, when a stream falls silent soon after a start.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from monitor.config.units import DAY, HOUR
from monitor.metrics.system.daemon import SILENCE_RATIO
from monitor.metrics.system.silence import FEWEST, FEWEST_ARRIVALS, NEW, Pause, allowed, longest_usual
from monitor.records import Measurement, Stream, Window
from monitor.rules.language.wording import figure
from monitor.store import predictions, profiles
from monitor.store.db import Store
from monitor.store.streams import StreamFigures

REMEMBERED = 28.0 * DAY
_SHORTEST = 15.0
"""Shorter pauses make no difference."""
_MOST = 64
"""Pauses that are kept of a stream: the longest."""
_LOADED = float(HOUR)
"""Seconds by which the latest event may be older than its arrival; otherwise a past is being loaded."""
_READ_AFTER = 30.0
_MOST_READ = 20
"""Streams whose stored windows are read in one look."""
_READ = 7.0 * DAY


@dataclass(slots=True)
class _Traffic:
    """What is known of a stream's traffic: watched from `first` to `last` for so many seconds."""

    first: float
    last: float
    watched: float = 0.0
    arrivals: int = 1
    pauses: list[Pause] = field(default_factory=list)
    is_read: bool = False

    def limit(self, began: float) -> float | None:
        """How long a silence that began then may be a pause."""
        return allowed(self.pauses, self.watched, self.arrivals, began)

    def pause(self, start: float, seconds: float) -> None:
        """Keep a pause that has ended, with the arrival that ended it."""
        self.arrivals += 1
        if seconds <= _SHORTEST:
            return
        limit = allowed(self.pauses, self.watched, self.arrivals - 1, start)
        kept = [pause for pause in self.pauses if pause.start > start - REMEMBERED]
        kept.append(Pause(start, seconds, limit is not None and seconds > limit))
        if len(kept) > _MOST:
            kept.remove(min(kept, key=lambda one: one.seconds))
        self.pauses = kept


class PauseWatch:
    """Measures `silence_ratio`. `listened` says for how long between two moments a daemon took predictions in."""

    def __init__(self, store: Store, base_seconds: int, listened: Callable[[float, float], float]) -> None:
        self._store, self._base, self._listened = store, base_seconds, listened
        self._traffic: dict[Stream, _Traffic] = {}
        self._looked_at, self._read = 0.0, 0

    def measure(self, figures: StreamFigures, silence: float | None, now: float) -> Measurement:
        """The silence as a multiple of the longest that the traffic explains."""
        traffic = self._see(figures)
        window, info = Window(int(figures.last_received), int(now) + 1), SILENCE_RATIO
        if traffic is None or silence is None:
            reason = "nothing has come in live yet"
            return Measurement(figures.stream, window, info.name, None, info.unit, info.better, reason=reason)
        if silence > _READ_AFTER and traffic.watched < NEW and not traffic.is_read:
            self._read_stored(figures.stream, traffic, now)
        limit = traffic.limit(now - silence)
        if limit is None:
            reason = (
                f"traffic was watched for {figure(traffic.watched, 'seconds')} with {traffic.arrivals} arrivals; "
                f"{figure(FEWEST, 'seconds')} and {FEWEST_ARRIVALS} are needed"
            )
            return Measurement(figures.stream, window, info.name, None, info.unit, info.better, reason=reason)
        usual = longest_usual(traffic.pauses)
        words = f"at most {figure(usual, 'seconds')}" if usual else f"under {_SHORTEST:.0f} s"
        because = f"pauses were {words} in {figure(traffic.watched, 'seconds')} of traffic"
        value, n = silence / limit, figures.rows
        return Measurement(
            figures.stream,
            window,
            info.name,
            value,
            info.unit,
            info.better,
            n,
            because=because if value > 1 else "",
        )

    def _see(self, figures: StreamFigures) -> _Traffic | None:
        """Take note of what has come in since the last look; None while only a past is loaded."""
        last, known = figures.last_received, self._traffic.get(figures.stream)
        if figures.rows == 0 or figures.watermark is None or figures.watermark < last - _LOADED:
            self._traffic.pop(figures.stream, None)
            return None
        if known is None or last < known.last:  # new, or the clock was set back
            known = self._traffic[figures.stream] = _Traffic(last, last)
        elif last > known.last:
            seconds = self._listened(known.last, last)
            known.pause(known.last, seconds)
            known.watched += seconds
            known.last = last
        return known

    def _read_stored(self, stream: Stream, traffic: _Traffic, now: float) -> None:
        """Put the traffic before this daemon's start in front of what it has watched."""
        if self._looked_at != now:
            self._looked_at, self._read = now, 0
        if self._read >= _MOST_READ:
            return
        self._read += 1
        traffic.is_read = True
        with self._store.read() as connection:
            starts = profiles.starts(connection, stream, self._base, now - _READ, traffic.first + self._base)
            if not starts or not predictions.is_live(connection, stream, starts[0], traffic.first, _LOADED):
                return
        before = _Traffic(float(starts[0]), float(starts[0]))
        for start in [*starts[1:], int(traffic.first)]:
            silent = (
                self._listened(before.last + self._base, start) if start - before.last > self._base else 0.0
            )
            before.pause(before.last + self._base, silent)
            before.watched += self._listened(before.last, start)
            before.last = float(start)
        for pause in traffic.pauses:
            before.pause(pause.start, pause.seconds)
        traffic.pauses, traffic.watched = before.pauses, traffic.watched + before.watched
        traffic.arrivals += before.arrivals
