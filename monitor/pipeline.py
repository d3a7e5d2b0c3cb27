"""One tick, in order: rows become profiles, profiles measurements, measurements states, states messages.

Each step stores what it did under a natural key before the next one begins, so a tick that is killed anywhere is
simply run again: nothing is counted, decided or told twice.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from monitor import alerts as paging
from monitor.alerts.plan import Situation
from monitor.alerts.settings import AlertSettings
from monitor.readings.listening import Listening
from monitor.readings.measuring import Measuring
from monitor.readings.selfwatch import SelfWatch
from monitor.records import Stream, Window
from monitor.rules.evaluate import Judgement, judge
from monitor.rules.memory import Memory
from monitor.store import alerts as alert_rows
from monitor.store.db import Store
from monitor.upkeep.duty import Duty
from monitor.upkeep.reloading import Reloading
from monitor.windows.counting import count_new
from monitor.windows.profile import Profile
from monitor.windows.settings import WindowSettings


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick did. `after` is what alerts and incidents are then, where this process judged."""

    at: float
    streams: int
    windows: int
    judgement: Judgement
    deliveries: int
    after: Situation | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The daemon's loop body, and what it works with."""

    store: Store
    windows: WindowSettings
    measuring: Measuring
    rules: Reloading
    alerts: AlertSettings
    channels: frozenset[str]
    itself: SelfWatch
    on_counted: Callable[[Stream, Window, Profile], None]
    duty: Duty
    listening: Listening
    confirming: frozenset[str] = frozenset()
    memory: Memory = field(default_factory=Memory)

    def tick(self, now: float) -> Tick:
        """Do all that is to be done at `now`."""
        rules = self.rules.rules()
        self.listening.keep(now)
        touched = count_new(self.store, self.windows, now, self.on_counted)  # rows -> profiles
        readings = self.measuring.measure(rules.reads(), self.itself.measure(now), now)  # -> measurements
        done = Tick(now, len(readings.streams()), len(touched), Judgement(), 0)
        if not self.duty.is_ours(now):  # another daemon on this database judges
            return done
        with self.store.read() as connection:
            known = alert_rows.load(connection)
        judgement = judge(
            rules, readings, known, now, memory=self.memory
        )  # measurements -> states, with reasons
        with self.duty.write() as writing:  # states -> messages, in one transaction with them
            if writing is None:
                return done
            plan = paging.advance(writing, judgement, known, self.alerts, self.channels, now, self.confirming)
        return replace(done, judgement=judgement, deliveries=len(plan.deliveries), after=plan.after)
