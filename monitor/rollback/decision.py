"""Whether an alert rolls a version back or freezes its rollout, with the reason in words. Pure."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from monitor.config.units import DAY, format_duration
from monitor.records import Stream
from monitor.rollback.comparison import YOUNG, Blame, age, shown
from monitor.rollback.order import OrderKind
from monitor.store.model_versions import Version
from monitor.store.rollbacks import Rollback

SILENT_AFTER = 180.0
"""Seconds without an answer after which a version counts as gone: there is nothing to roll back."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """An alert whose rule has an action. `version` is the version that the alert is about; empty for the whole model.

    `is_judged`: the rule itself has compared the version with the other one, as a rollout's verdict does.
    """

    rule: str
    action: OrderKind
    reason: str
    version: str = ""
    is_judged: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration of a model allows. Times are in seconds."""

    mode: Literal["off", "dry-run", "on", "drill"]
    has_executor: bool
    cool_down: float
    most_per_day: int
    never: Collection[str] = ()
    migration: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class RollbackSituation:
    """What is known of a stream at `now`: its versions, the decisions so far, and why rollbacks are stopped, if so."""

    stream: Stream
    policy: Policy
    versions: Sequence[Version]
    past: Sequence[Rollback]
    stopped: str
    now: float


@dataclass(frozen=True, slots=True)
class RollbackDecision:
    """What to do with `version`: an order, or nothing (`kind` is None); `other` is the version to go back to."""

    kind: OrderKind | None
    reason: str
    version: str = ""
    other: str = ""
    share: float | None = None


Accuse = Callable[[Version, Version], Blame]
"""Compares the figures of the new version with those of the other one."""


def decide(trigger: Trigger, situation: RollbackSituation, accuse: Accuse) -> RollbackDecision:
    """Decide on one alert. Nothing is done without a version that answers, another one that it is worse than, and a
    configuration that allows it.
    """
    if situation.policy.mode == "off":
        return RollbackDecision(None, "rollback is off for this model")
    newest = newest_of(situation.versions, trigger.version)
    if newest is None:
        return RollbackDecision(None, "no versions of this model are known")
    other = other_than(newest.version, situation.versions)
    named = other.version if other is not None else ""

    def answer(kind: OrderKind | None, reason: str) -> RollbackDecision:
        return RollbackDecision(kind, reason, newest.version, named)

    if refused := _refused(trigger, situation, newest, other):
        return answer(None, refused)
    assert other is not None
    fault = Blame(True, trigger.reason) if trigger.is_judged else accuse(newest, other)
    if not fault.is_new:
        return answer(None, f"not the new version's fault: {fault.reason}")
    if newest.version in situation.policy.migration:
        return answer(
            "freeze", f"{fault.reason}. The version has a migration of data, so it is frozen instead"
        )
    if trigger.action == "freeze":
        return answer("freeze", fault.reason)
    if waits := _waits(situation):
        return answer(None, f"{waits}; a person decides: {fault.reason}")
    return answer("rollback", fault.reason)


def newest_of(versions: Sequence[Version], preferred: str = "") -> Version | None:
    """The version that answered first most recently; of several that did so in the same minute, the preferred one."""
    return max(
        versions, key=lambda one: (one.first_seen, one.version == preferred, one.version), default=None
    )


def other_than(version: str, versions: Sequence[Version]) -> Version | None:
    """The other version that answered most recently, which is the one to go back to."""
    others = [one for one in versions if one.version != version]
    return max(others, key=lambda one: (one.last_seen, -one.first_seen, one.version), default=None)


def young_since(new: Version, now: float) -> float | None:
    """When a version answered first, if that is recent enough to compare it with the last minutes of the other one."""
    return new.first_seen if 0 <= now - new.first_seen <= YOUNG else None


def not_live(version: str, versions: Sequence[Version], now: float) -> str:
    """Why a version must not be rolled back now: it no longer answers, or it is not the newest. Empty if it may be."""
    newest = newest_of(versions)
    name = shown(version)
    mine = next((one for one in versions if one.version == version), None)
    if mine is None or newest is None:
        return f"version {name} has never answered"
    if newest.first_seen > mine.first_seen:
        return f"version {name} is not the newest: version {shown(newest.version)} is"
    if now - mine.last_seen > SILENT_AFTER:
        return f"version {name} has not answered for {age(now - mine.last_seen)}"
    return ""


def _refused(trigger: Trigger, situation: RollbackSituation, newest: Version, other: Version | None) -> str:
    """Why nothing may be done with the newest version, whoever is at fault; empty if it may."""
    policy, name = situation.policy, shown(newest.version)
    if situation.stopped:
        return situation.stopped
    if trigger.version not in ("", newest.version):
        return f"the alert is about version {shown(trigger.version)}, and the newest is version {name}"
    twins = [version.version for version in situation.versions if version.first_seen == newest.first_seen]
    if len(twins) > 1 and not trigger.version:
        names = " and ".join(shown(twin) for twin in sorted(twins)[:2])
        return f"versions {names} first answered in the same minute: it is unknown which of them is new"
    if why := not_live(newest.version, situation.versions, situation.now):
        return why
    if other is None:
        return f"there is no other version than {name} to go back to"
    if newest.version in policy.never:
        return f"version {name} is listed under `never`"
    if done := next((one for one in _ordered(situation) if one.version == newest.version), None):
        order = f"{done.kind} {done.id}, {done.state}"
        return f"version {name} already had its one order ({order}); a person decides on another"
    if not policy.has_executor and policy.mode == "on":
        return "no executor is configured"
    return ""


def _ordered(situation: RollbackSituation) -> list[Rollback]:
    """The orders of the same mode, newest first."""
    mode = situation.policy.mode
    return [one for one in situation.past if one.was_ordered and one.mode == mode]


def _waits(situation: RollbackSituation) -> str:
    """Why another rollback would be too many; empty if it is not."""
    policy, now = situation.policy, situation.now
    rollbacks = [one for one in _ordered(situation) if one.kind == "rollback"]
    recent = [rollback for rollback in rollbacks if abs(now - rollback.decided_at) < policy.cool_down]
    if recent:
        pause = format_duration(policy.cool_down)
        return f"version {shown(recent[0].version)} was rolled back less than {pause} ago"
    if sum(abs(now - rollback.decided_at) < DAY for rollback in rollbacks) >= policy.most_per_day:
        return f"{policy.most_per_day} rollbacks in 24 hours are the maximum"
    return ""
