"""Decides on firing alerts whose rules have an action, and stores each decision with its order in one transaction."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from monitor.maintenance.leader import LeaderLease
from monitor.metrics import METRICS
from monitor.metrics.calls.signals import SIGNAL_RATE
from monitor.records import Action, Alert, Better, DataState, Delivery, Priority, State, Stream
from monitor.rollback import traffic
from monitor.rollback.comparison import LOOKBACK, Blame, Breach, blame, shown
from monitor.rollback.decision import (
    Policy,
    RollbackDecision,
    RollbackSituation,
    Trigger,
    decide,
    young_since,
)
from monitor.rollback.executors.registry import kind_of
from monitor.rollback.kill_switch import stopped
from monitor.rollback.order import Mode, Order, OrderKind, encode, identity
from monitor.rollback.settings import RollbackSettings
from monitor.rollback.traffic import Traffic
from monitor.rules.rule import Rule, RuleSet
from monitor.store import alerts as alert_rows
from monitor.store import audit, model_versions, outbox, releases, rollback_stops, rollbacks
from monitor.store.audit import AuditEntry
from monitor.store.db import Store
from monitor.store.model_versions import Version
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.windows.layout.layout import SIGNALS

log = logging.getLogger(__name__)

CHANNEL = "rollback"
"""The name in the outbox under which orders wait."""
JUDGED = frozenset(("rollout_failed",))
"""Metrics that compare a version with the other one themselves."""
_BETTER = {info.name: info.better for info in METRICS}


class Planner:
    """Decides and stores. `switched_on` are the models whose mode is not `off`."""

    def __init__(
        self,
        store: Store,
        switched_on: Mapping[Stream, RollbackSettings],
        rules: Callable[[], RuleSet],
        leader: LeaderLease,
        base_seconds: int,
        stop_file: Path,
    ) -> None:
        self._store, self._settings, self._rules = store, switched_on, rules
        self._leader, self._base, self._stop_file = leader, base_seconds, stop_file

    def step(self, now: float) -> int:
        """Decide on all alerts that call for an action; the number of new orders."""
        if not self._settings or not self._leader.is_held:
            return 0
        rules = self._rules()
        with self._store.read() as connection:
            called = [
                (alert, rule)
                for alert in alert_rows.load(connection).values()
                if alert.state is State.FIRING
                and alert.data is DataState.OK
                and alert.stream in self._settings
                if (rule := _rule_of(alert, rules)) is not None and rule.action != "none"
            ]
        ordered = 0
        for alert, rule in sorted(called, key=lambda pair: (pair[0].fired_at or now, pair[0].rule)):
            with self._store.faults.isolate("rollback", f"{alert.rule} of {alert.stream}"):
                ordered += self._decide(alert, rule, now)
        return ordered

    def _decide(self, alert: Alert, rule: Rule, now: float) -> bool:
        """Decide on one alert within a transaction of the leader; whether an order was given."""
        settings = self._settings[alert.stream]
        with self._leader.write() as connection:
            if connection is None:
                return False
            situation = self.situation(connection, alert.stream, settings, now)

            def accuse(new: Version, old: Version) -> Blame:
                start = (young_since(new, now) or now) - LOOKBACK
                figures = traffic.load(connection, alert.stream, [_figure_of(alert)], self._base, start, now)
                return _accuse(alert, figures, new, old, now)

            decision = decide(_trigger(alert, rule), situation, accuse)
            return self.keep(connection, decision, situation, settings, alert.rule, alert.rule)

    def situation(
        self, connection: Connection, stream: Stream, settings: RollbackSettings, now: float
    ) -> RollbackSituation:
        """What is known of a stream."""
        flagged = [one.version for one in releases.of(connection, stream) if "migration" in one.flags]
        return RollbackSituation(
            stream,
            replace(policy_of(settings), migration=(*settings.migration, *flagged)),
            model_versions.of(connection, stream),
            rollbacks.of_stream(connection, stream),
            stopped(stream, rollback_stops.in_force(connection), self._stop_file),
            now,
        )

    def keep(
        self,
        connection: Connection,
        decision: RollbackDecision,
        situation: RollbackSituation,
        settings: RollbackSettings,
        trigger: str,
        author: str,
    ) -> bool:
        """Store a decision, and its order in the outbox; whether an order was given. Repeating it changes nothing."""
        stream, now, mode = situation.stream, situation.now, settings.mode
        has_order = any(
            one.was_ordered and one.mode == mode and one.version == decision.version for one in situation.past
        )
        if mode == "off" or not decision.version or (decision.kind is None and has_order):
            return False
        row = Rollback(
            stream,
            decision.version,
            trigger,
            mode,
            identity(stream, decision.version, trigger, mode),
            decision.kind or "rollback",
            RollbackState.DECIDED if decision.kind else RollbackState.WITHHELD,
            kind_of(settings.executor),
            decision.other,
            decision.reason,
            author,
            now,
        )
        before = next((one for one in situation.past if one.id == row.id), None)
        if before is not None and replace(before, decided_at=now) == row:
            return False
        is_new = rollbacks.change(connection, row, (RollbackState.WITHHELD,)) or rollbacks.add(
            connection, row
        )
        if not is_new:
            return False
        log.warning("rollback", extra={"stream": str(stream), "state": str(row.state), "reason": row.reason})
        if decision.kind is None:
            return False
        figures = traffic.load(connection, stream, (), self._base, now - LOOKBACK, now)
        row = replace(row, share_before=_share(figures, decision.version, self._base, now))
        rollbacks.change(connection, row, (RollbackState.DECIDED,))
        outbox.add(connection, [delivery_of(order_of(row), CHANNEL)])
        target = f"{row.kind} of version {shown(row.version)} {stream}, {mode}: {row.reason}"
        entry = AuditEntry(now, f"rule {trigger}"[:256], "", "change", stream.client, target[:512], 200)
        audit.add(connection, [entry])
        return True


def policy_of(settings: RollbackSettings) -> Policy:
    """What a model's configuration allows."""
    return Policy(
        settings.mode,
        settings.executor is not None,
        settings.cool_down,
        settings.most_per_day,
        settings.never,
        settings.migration,
    )


def order_of(row: Rollback) -> Order:
    """The order of a decision."""
    kind, mode = row.kind, row.mode
    modes: dict[str, Mode] = {"dry-run": "dry-run", "on": "on", "drill": "drill"}
    return Order(
        id=row.id,
        kind="freeze" if kind == "freeze" else "rollback",
        client=row.stream.client,
        model=row.stream.model,
        environment=row.stream.environment,
        version=row.version,
        other=row.other,
        trigger=row.trigger,
        reason=row.reason,
        mode=modes[mode],
        decided_at=row.decided_at,
    )


def delivery_of(order: Order, channel: str) -> Delivery:
    """The row of the outbox. Its key is unique for the version, so that no second order of a rule can be stored."""
    by = order.trigger if order.trigger.startswith(MANUAL) or order.mode == "drill" else "rule"
    parts = "\0".join((str(order.stream), order.version, order.mode, by))
    key = f"rollback:{hashlib.sha256(parts.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
    return Delivery(
        channel,
        key,
        1,
        Action.ROLLBACK,
        encode(order),
        order.decided_at,
        Priority.WARNING,
        fingerprint=order.id,
    )


MANUAL = "manual"
"""How the trigger of a rollback begins that a person has asked for."""


def _figure_of(alert: Alert) -> str:
    """What is compared between versions: the metric of the alert, or the signal of a rate of signals."""
    signal = next((value for name, value in alert.instance if name == "signal"), "")
    return f"{SIGNALS}{signal}" if alert.metric == SIGNAL_RATE.name and signal else alert.metric


def _rule_of(alert: Alert, rules: RuleSet) -> Rule | None:
    return next((rule for rule in rules.for_stream(alert.stream) if rule.name == alert.rule), None)


def _trigger(alert: Alert, rule: Rule) -> Trigger:
    version = next((value for name, value in alert.instance if name == "version"), "")
    action: OrderKind = "freeze" if rule.action == "freeze" else "rollback"
    return Trigger(rule.name, action, alert.reason, version, alert.metric in JUDGED)


def _share(figures: Traffic, version: str, base_seconds: int, now: float) -> float | None:
    """The share of a version in the last complete window, or in the last minutes if nothing answered in it."""
    recent = figures.share(version, (now // base_seconds - 1) * base_seconds, now)
    return figures.share(version, now - LOOKBACK, now) if recent is None else recent


def _accuse(alert: Alert, figures: Traffic, new: Version, old: Version, now: float) -> Blame:
    limit, metric = alert.limit, _figure_of(alert)
    if limit is None:
        return Blame(False, f"the limit of {metric or alert.rule} is not known")
    mine = figures.arm(metric, new.version)
    if not mine.minutes:
        return Blame(False, f"{metric} is not measured by version")
    since = max(alert.active_since or alert.fired_at or now, now - LOOKBACK)
    is_above = _BETTER.get(metric, Better.LOWER) is not Better.HIGHER
    breach = Breach(metric, limit, alert.unit, is_above, since)
    return blame(breach, mine, figures.arm(metric, old.version), young_since(new, now))
