"""Rules, alerts, outbox, dispatcher and a stand-in PagerDuty around one clock, moved step by step.

What it leaves out of the daemon is where measurements come from: a test says what each tick measured.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from monitor.alerts import AlertSettings, Plan, advance
from monitor.alerts.notification import Notification
from monitor.clock import ManualClock
from monitor.notify.channel import Channel, Rate
from monitor.notify.dispatcher import Dispatcher
from monitor.notify.failure import AttemptError, Kind
from monitor.notify.pagerduty import PagerDuty, PagerDutySettings
from monitor.records import Action, Alert, Measurement, Silence, Stream
from monitor.rules.evaluate import STEP, judge
from monitor.rules.readings import OPEN, Readings
from monitor.rules.rule import RuleSet
from monitor.store import alerts as alert_rows
from monitor.store import incidents, silences
from monitor.store.db import Store, metadata
from monitor.store.incidents import Incident
from tests.support.judging import START, STREAM, measured
from tests.support.killing import KilledError
from tests.support.pagerduty import PagerDutyStandIn


@dataclass
class Chat:
    """A channel that keeps what it is told, and fails while `down`."""

    name: str = "slack"
    rate: Rate | None = None
    actions = frozenset(Action)

    def __post_init__(self) -> None:
        self.told: list[Notification] = []
        self.down = False

    def send(self, notification: Notification) -> str:
        if self.down:
            raise AttemptError("the chat is down", Kind.UNREACHABLE)
        self.told.append(notification)
        return "told"

    def close(self) -> None:
        """Nothing to give back."""


class World:
    """`tick` judges and plans, `deliver` sends, `run` does both every second."""

    def __init__(
        self, folder: Path, rules: RuleSet, settings: AlertSettings | None = None, url: str = ""
    ) -> None:
        self.clock = ManualClock(START)
        self.rules = rules
        self.settings = settings or AlertSettings()
        self.pagerduty = PagerDutyStandIn(folder, self.clock.now)
        self.chat = Chat()
        self.dies_before_commit = False
        self.confirming: frozenset[str] = frozenset()
        self.store = Store(url or f"sqlite:///{folder}/world.db")
        metadata.create_all(self.store.engine)
        self.pagerduty_settings = PagerDutySettings.model_validate(
            {
                "routing_key": self.pagerduty.routing_key,
                "events_url": self.pagerduty.url,
                "api_url": self.pagerduty.url,
                "api_token": self.pagerduty.api_token,
                "ca_file": str(self.pagerduty.ca_file),
            }
        )
        self.channels: dict[str, Channel] = {
            "pagerduty": PagerDuty(self.pagerduty_settings),
            "slack": self.chat,
        }
        self.dispatcher = self.new_dispatcher()

    def __enter__(self) -> "World":
        self.pagerduty.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self.channels.values():
            channel.close()
        self.store.close()
        self.pagerduty.__exit__(kind, error, trace)

    @property
    def now(self) -> float:
        return self.clock.now()

    def new_dispatcher(self) -> Dispatcher:
        """As after a restart."""
        return Dispatcher(self.store, self.channels, self.clock)

    def tick(self, measurements: Iterable[Measurement], after: float = 1.0) -> Plan:
        """Move the clock and judge once; nothing is sent."""
        self.clock.advance(after)
        by_stream: dict[tuple[Stream, int], list[Measurement]] = {}
        for measurement in measurements:
            by_stream.setdefault((measurement.stream, OPEN), []).append(measurement)
        with self.store.write() as connection:
            alerts = alert_rows.load(connection)
            judgement = judge(self.rules, Readings(by_stream), alerts, self.now, max(STEP, after))
            plan = advance(
                connection, judgement, alerts, self.settings, self.channels, self.now, self.confirming
            )
            if self.dies_before_commit:
                self.dies_before_commit = False
                raise KilledError
            return plan

    def kill_before_commit(self) -> None:
        """The next tick dies when all is written and nothing is committed."""
        self.dies_before_commit = True

    def deliver(self) -> None:
        """Try everything that is due now."""
        while self.dispatcher.step():
            pass

    def run(self, value: float | None, seconds: float = 1.0, every: float = 1.0) -> None:
        """An error rate for a while, judged and delivered every so often."""
        for _ in range(max(round(seconds / every), 1)):
            self.tick([errors(value)], after=every)
            self.deliver()

    def alert(self) -> Alert:
        """The only alert."""
        (alert,) = self.alerts()
        return alert

    def alerts(self) -> list[Alert]:
        with self.store.read() as connection:
            return list(alert_rows.load(connection).values())

    def open_incidents(self, channel: str = "pagerduty") -> list[Incident]:
        with self.store.read() as connection:
            return [i for i in incidents.load_open(connection) if i.channel == channel]

    def silence(self, *matchers: str, seconds: float = 3600.0) -> Silence:
        """Mute what matches from now on."""
        silence = Silence(f"s{round(self.now)}", matchers, self.now, self.now + seconds, "ann", "we know")
        with self.store.write() as connection:
            silences.add(connection, silence)
        return silence


def errors(value: float | None, stream: Stream = STREAM, **instance: Any) -> Measurement:
    """An error rate of a stream."""
    return replace(measured("error_rate", value), stream=stream)
