"""The schemas of the JSON API about versions: releases, rollouts and rollbacks. The rules are those of `schemas`."""

from collections.abc import Sequence

import msgspec

from monitor.clock import iso
from monitor.rollouts.view import verdicts
from monitor.store.releases import Release
from monitor.store.rollbacks import Rollback
from monitor.store.rollouts import Rollout, RolloutStep, StoredCheck


class ReleaseAnswer(msgspec.Struct, frozen=True):
    """A recorded release. `contradictions` are the components in which another release of this version differs.

    `released_by` is empty for a client's reader.
    """

    version: str
    digest: str
    released_at: str
    released_by: str
    flags: list[str]
    contradictions: list[str]


class StageAnswer(msgspec.Struct, frozen=True):
    """A stage of a plan: the canary's share of the traffic, in percent, and the seconds for which it is watched."""

    share: float
    seconds: float


class CheckAnswer(msgspec.Struct, frozen=True):
    """One signal of the verdict at a step. `canary` and `stable` are the figures of both versions in `unit`.

    `state` is pass, fail, inconclusive or not measured. Alone, a signal fails the canary when `e_value` times `weight`
    reaches 100.
    """

    name: str
    state: str
    reason: str
    e_value: float
    weight: float
    canary: float | None
    stable: float | None
    unit: str


class StepAnswer(msgspec.Struct, frozen=True):
    """A decision on a rollout: from `at` on, the canary receives `share` percent of the traffic.

    `state` is running, promoted, failed or stopped; `verdict` what led to it: pass, fail, or empty if no verdict did.
    `reason` and `checks` are empty for a client's reader.
    """

    step: int
    at: str
    state: str
    verdict: str
    share: float
    reason: str
    checks: list[CheckAnswer]


class RolloutAnswer(msgspec.Struct, frozen=True):
    """A staged rollout with its steps, oldest first. `state` and `share` are those of the last step.

    `number` counts the rollouts of the model, from 1. `started_by` is empty for a client's reader.
    """

    number: int
    canary: str
    stable: str
    state: str
    share: float
    started_at: str
    started_by: str
    plan: list[StageAnswer]
    steps: list[StepAnswer]


class RollbackAnswer(msgspec.Struct, frozen=True):
    """A decision to roll a version back, or to freeze its rollout. Shares are those of `from_version` in all answers.

    `action` is rollback or freeze; `mode` is on, dry-run or drill; `state` is withheld, decided, sent, confirmed,
    verified or failed. `trigger` is the rule that fired, or who asked for it; `detail` is what became of the order.
    `trigger`, `reason`, `detail`, `executor` and `author` are empty for a client's reader.
    """

    id: str
    action: str
    mode: str
    state: str
    from_version: str
    to_version: str
    trigger: str
    reason: str
    detail: str
    executor: str
    author: str
    decided_at: str
    sent_at: str | None
    answered_at: str | None
    ended_at: str | None
    share_before: float | None
    share_after: float | None


def release(one: Release, differ: Sequence[str], *, with_names: bool) -> ReleaseAnswer:
    """A release; `differ` are the components in which the releases of its version contradict each other."""
    by = one.released_by if with_names else ""
    return ReleaseAnswer(one.version, one.digest, iso(one.released_at), by, list(one.flags), list(differ))


def rollout(one: Rollout, steps: Sequence[RolloutStep], *, with_reasons: bool) -> RolloutAnswer:
    """A staged rollout; `steps` are all of its steps."""
    return RolloutAnswer(
        number=one.number,
        canary=one.canary,
        stable=one.stable,
        state=steps[-1].state.value,
        share=steps[-1].share,
        started_at=iso(one.started_at),
        started_by=one.started_by if with_reasons else "",
        plan=[StageAnswer(stage.share, stage.seconds) for stage in one.plan],
        steps=[
            _step(step, verdict, with_reasons=with_reasons)
            for step, verdict in zip(steps, verdicts(steps), strict=True)
        ],
    )


def _step(step: RolloutStep, verdict: str, *, with_reasons: bool) -> StepAnswer:
    checks = [_check(check) for check in step.checks] if with_reasons else []
    reason = step.reason if with_reasons else ""
    return StepAnswer(step.number, iso(step.at), step.state.value, verdict, step.share, reason, checks)


def _check(one: StoredCheck) -> CheckAnswer:
    return CheckAnswer(
        one.name, one.state, one.reason, one.e_value, one.weight, one.canary, one.stable, one.unit
    )


def rollback(one: Rollback, *, with_reasons: bool) -> RollbackAnswer:
    """A decision on a rollback."""

    def rendered(text: str) -> str:
        return text if with_reasons else ""

    def passed(at: float | None) -> str | None:
        return None if at is None else iso(at)

    return RollbackAnswer(
        id=one.id,
        action=one.kind,
        mode=one.mode,
        state=one.state.value,
        from_version=one.version,
        to_version=one.other,
        trigger=rendered(one.trigger),
        reason=rendered(one.reason),
        detail=rendered(one.detail),
        executor=rendered(one.executor),
        author=rendered(one.author),
        decided_at=iso(one.decided_at),
        sent_at=passed(one.sent_at),
        answered_at=passed(one.answered_at),
        ended_at=passed(one.ended_at),
        share_before=one.share_before,
        share_after=one.share_after,
    )
