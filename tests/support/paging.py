"""Rules, alerts, outbox and dispatcher of a daemon without threads, with a stand-in PagerDuty.

The test moves the clock, and says what each tick measured.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from monitor.alerts import AlertSettings, NotificationPlan, advance
from monitor.alerts.notification import Notification
from monitor.clock import ManualClock
from monitor.notify.channel import Channel, RateLimit
from monitor.notify.channels.pagerduty import PagerDuty, PagerDutySettings
from monitor.notify.delivery.dispatcher import Dispatcher
from monitor.notify.failure import AttemptError, FailureKind
from monitor.records import Action, Alert, Measurement, Silence, Stream
from monitor.rules.engine.evaluate import STEP, evaluate
from monitor.rules.engine.readings import OPEN, Readings
from monitor.rules.rule import RuleSet
from monitor.store import alerts as alert_rows
from monitor.store import incidents, silences
from monitor.store.db import Store
from monitor.store.incidents import Incident
from tests.support import schema
from tests.support.judging import START, STREAM, measured
from tests.support.killing import KilledError
from tests.support.pagerduty import PagerDutyStandIn


@dataclass
class Chat:
    """A channel that keeps its notifications, and fails while `down`."""

    name: str = "slack"
    seconds = 5.0
    rate: RateLimit | None = None
    actions = frozenset(Action)

    def __post_init__(self) -> None:
        self.notifications: list[Notification] = []
        self.down = False

    def send(self, notification: Notification) -> str:
        if self.down:
            raise AttemptError("the chat is down", FailureKind.UNREACHABLE)
        self.notifications.append(notification)
        return "sent"

    def close(self) -> None:
        """Nothing to give back."""


class PagingDaemon:
    """`tick` evaluates and plans, `deliver` sends, `run` does both each second."""

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
        self.store = Store(url or f"sqlite:///{folder}/paging.db")
        schema.create(self.store)
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

    def __enter__(self) -> "PagingDaemon":
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

    def tick(self, measurements: Iterable[Measurement], after: float = 1.0) -> NotificationPlan:
        """Move the clock and evaluate the rules once; nothing is sent."""
        self.clock.advance(after)
        by_stream: dict[tuple[Stream, int], list[Measurement]] = {}
        for measurement in measurements:
            by_stream.setdefault((measurement.stream, OPEN), []).append(measurement)
        with self.store.write() as connection:
            alerts = alert_rows.load(connection)
            judgement = evaluate(self.rules, Readings(by_stream), alerts, self.now, max(STEP, after))
            plan = advance(
                connection, judgement, alerts, self.settings, self.channels, self.now, self.confirming
            )
            if self.dies_before_commit:
                self.dies_before_commit = False
                raise KilledError
            return plan

    def kill_before_commit(self) -> None:
        """Kill the next tick after its writes and before the commit."""
        self.dies_before_commit = True

    def deliver(self) -> None:
        """Attempt every delivery that is due."""
        while self.dispatcher.step():
            pass

    def run(self, value: float | None, seconds: float = 1.0, every: float = 1.0) -> None:
        """Measure an error rate for `seconds`; evaluate and deliver at every `every` seconds."""
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
        """Silence matching alerts from now on."""
        silence = Silence(f"s{round(self.now)}", matchers, self.now, self.now + seconds, "ann", "we know")
        with self.store.write() as connection:
            silences.add(connection, silence)
        return silence


def errors(value: float | None, stream: Stream = STREAM, **instance: Any) -> Measurement:
    """An error rate of a stream."""
    return replace(measured("error_rate", value), stream=stream)
