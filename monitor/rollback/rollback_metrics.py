"""Measures rollbacks, failed rollouts and drills from the store, for rules.

A staged rollout is measured whether or not the model has a rollback: its failure has to be reported in either case.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitor.config.units import DAY, HOUR
from monitor.metrics import MetricInfo
from monitor.metrics.system import rollbacks as infos
from monitor.records import Labels, Measurement, Stream, Window, labels
from monitor.rollback.decision import SILENT_AFTER
from monitor.rollback.settings import RollbackSettings
from monitor.store import model_versions, rollback_drills, rollbacks, rollouts
from monitor.store.db import Store
from monitor.store.model_versions import Version
from monitor.store.rollback_drills import PASSED, RUNNING, Drill
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep

EVERY = 5.0
"""Seconds between two readings of the store."""
_TOLD = float(HOUR)
"""Seconds for which a rollback that was carried out, and a rollout that failed, are reported."""
_WITHOUT = RollbackSettings()
DONE = (RollbackState.CONFIRMED, RollbackState.VERIFIED)


@dataclass(frozen=True, slots=True)
class RollbackHistory:
    """What the store knows of a stream: real rollbacks, versions, the last rollout with its last step, drills."""

    rollbacks: Sequence[Rollback]
    versions: Sequence[Version]
    rollout: tuple[Rollout, RolloutStep] | None
    drills: Sequence[Drill]


class RollbackMetrics:
    """Reads what became of rollbacks and rollouts, at most every `EVERY` seconds. `settings` are those of all
    configured models.
    """

    def __init__(self, store: Store, settings: Mapping[Stream, RollbackSettings]) -> None:
        self._store = store
        self._settings = {
            stream: one for stream, one in settings.items() if one.mode != "off" or one.executor is not None
        }
        self._measured: dict[Stream, Sequence[Measurement]] = {}
        self._measured_at = float("-inf")

    def measure(self, now: float) -> Mapping[Stream, Sequence[Measurement]]:
        """All metrics of rollbacks by stream, at `now` in seconds since the epoch."""
        if 0 <= now - self._measured_at < EVERY:
            return self._measured
        with self._store.read() as connection:
            rolled_out = rollouts.streams_since(connection, now - 2 * _TOLD)
        measured: dict[Stream, Sequence[Measurement]] = {}
        for stream, settings in (dict.fromkeys(rolled_out, _WITHOUT) | self._settings).items():
            with self._store.faults.isolate("figures of rollbacks", str(stream)):
                measured[stream] = list(of_stream(stream, settings, self._known(stream), now))
        self._measured, self._measured_at = measured, now
        return measured

    def _known(self, stream: Stream) -> RollbackHistory:
        with self._store.read() as connection:
            rollout = rollouts.latest(connection, stream)
            return RollbackHistory(
                [one for one in rollbacks.of_stream(connection, stream, limit=50) if one.is_real],
                model_versions.of(connection, stream),
                (rollout[0], rollout[1][-1]) if rollout else None,
                rollback_drills.of_model(connection, stream.client, stream.model),
            )


def of_stream(
    stream: Stream, settings: RollbackSettings, known: RollbackHistory, now: float
) -> Iterator[Measurement]:
    """The metrics of one stream. Pure."""

    def flag(info: MetricInfo, value: bool, where: Labels = (), because: str = "") -> Measurement:
        window = Window(int(now) - HOUR, int(now))
        return Measurement(
            stream, window, info.name, float(value), info.unit, info.better, 1, where, because=because
        )

    live = {version.version for version in known.versions if now - version.last_seen <= SILENT_AFTER}
    for one in _newest_of_each(known.rollbacks, now):
        where, answers = labels(version=one.version), one.version in live
        taken_back = one.kind == "rollback" and one.state in DONE and now - one.decided_at < _TOLD
        yield flag(infos.ROLLED_BACK, taken_back, where, one.reason)
        frozen = one.kind == "freeze" and one.state is not RollbackState.FAILED and answers
        yield flag(infos.ROLLOUT_FROZEN, frozen, where, one.reason)
        failed = one.state is RollbackState.FAILED and answers
        yield flag(infos.ROLLBACK_FAILED, failed, where, one.detail)
    if known.rollout is not None:
        rollout, last = known.rollout
        is_failed = last.state is RolloutState.FAILED and now - last.at < _TOLD
        yield flag(infos.ROLLOUT_FAILED, is_failed, labels(version=rollout.canary), last.reason)
    if settings.mode != "off":
        age = _age(known.drills, settings, now)
        due = _due(known.drills, age)
        yield flag(infos.ROLLBACK_DRILL_DUE, bool(due), because=due)
        info, reason = infos.ROLLBACK_DRILL_AGE, "" if age is not None else "no drill has passed"
        window = Window(int(now) - HOUR, int(now))
        yield Measurement(stream, window, info.name, age, info.unit, info.better, 1, reason=reason)


def _age(drills: Sequence[Drill], settings: RollbackSettings, now: float) -> float | None:
    """The time since the last drill that passed, relative to the longest time between two; None if none passed."""
    passed = [drill.started_at for drill in drills if drill.outcome == PASSED]
    return max(0.0, now - max(passed)) / settings.drill_every if passed else None


def _due(drills: Sequence[Drill], age: float | None) -> str:
    """Why a drill is due; empty if it is not."""
    ended = [drill for drill in drills if drill.outcome != RUNNING]
    if not ended:
        return "there was no drill"
    if ended[0].outcome != PASSED:
        return "the last drill has failed"
    return "the last drill is too long ago" if age is not None and age > 1 else ""


def _newest_of_each(rows: Sequence[Rollback], now: float) -> list[Rollback]:
    """The newest order of each version of the last 24 hours."""
    newest: dict[str, Rollback] = {}
    for row in rows:
        if row.was_ordered and now - row.decided_at < DAY:
            newest.setdefault(row.version, row)
    return list(newest.values())
