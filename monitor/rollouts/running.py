"""Starts, stops and advances rollouts: each change is a stored step, made once."""

import logging
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from monitor.errors import InputError, NotFoundError
from monitor.records import Stream
from monitor.rollouts.evaluate import evaluate
from monitor.rollouts.load_arms import ArmSettings
from monitor.rollouts.next_step import StepDecision, first_step, next_step, stopped
from monitor.rollouts.verdict import Gate, Outcome, Verdict
from monitor.store import advisory_locks, audit, model_versions, rollouts
from monitor.store.audit import AuditEntry
from monitor.store.db import Store
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep, Stage
from monitor.text_limits import LABEL, VERSION_BYTES, flaw_of_text
from monitor.visible import one_line

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between decisions; a shorter base window shortens them."""


def start(
    connection: Connection,
    stream: Stream,
    canary: str,
    stable: str,
    plan: tuple[Stage, ...],
    *,
    who: str,
    address: str,
    now: float,
) -> Rollout:
    """Start the rollout of a version, against `stable` or the version that answered last if it is empty.

    Raises:
        InputError: a rollout of the stream is running, or the versions are no names or the same.
        NotFoundError: there is no other version to compare with.
    """
    _check_version(canary)
    advisory_locks.lock(connection, "rollouts", str(stream))
    known = rollouts.latest(connection, stream)
    if known and known[1][-1].state is RolloutState.RUNNING:
        raise InputError(
            f"a rollout of version {known[0].canary!r} of {stream} is running",
            hint=f"stop it first: watchkeeper rollout stop {stream}",
        )
    compared = stable or _serving(connection, stream, canary)
    _check_version(compared)
    if compared == canary:
        raise InputError(f"version {canary!r} cannot be compared with itself", hint="name another --stable")
    who = one_line(who)[: rollouts.WHO]
    number = rollouts.last_number(connection, stream) + 1
    rollout = Rollout(stream, number, canary, compared, plan, now, who)
    if not rollouts.start(connection, rollout, first_step(rollout)):
        raise InputError(
            f"another rollout of {stream} was started at the same moment", hint="look at its status"
        )
    _audited(connection, stream, who, address, f"start rollout of {canary} of {stream}", now)
    return rollout


def stop(connection: Connection, stream: Stream, *, who: str, address: str, now: float) -> Rollout:
    """Stop the running rollout of a stream: from now on, the stable version receives all traffic.

    Raises:
        NotFoundError: none is running.
    """
    advisory_locks.lock(connection, "rollouts", str(stream))
    known = rollouts.latest(connection, stream)
    if known is None or known[1][-1].state is not RolloutState.RUNNING:
        raise NotFoundError(f"no rollout of {stream} is running", hint="watchkeeper rollout status lists all")
    rollout, last = known[0], known[1][-1]
    who = one_line(who)[: rollouts.WHO]
    step = stopped(last, who, now)
    while not rollouts.add(connection, rollout, step):  # the daemon was faster
        step = replace(step, number=step.number + 1)
    _audited(connection, stream, who, address, f"stop rollout of {rollout.canary} of {stream}", now)
    return rollout


Unapproved = Callable[[Connection, Stream, str], str]
"""Why a version of a stream may not be promoted because an approval is missing; empty if it may."""


def judge(
    connection: Connection,
    rollout: Rollout,
    last: RolloutStep,
    reading: ArmSettings,
    now: float,
    unapproved: Unapproved,
) -> tuple[Verdict, StepDecision]:
    """The verdict on a rollout after its last step, and what follows from it. A model without versions has no verdict
    yet.
    """
    gate = Gate.FINAL if last.stage + 1 >= len(rollout.plan) else Gate.GUARD
    try:
        verdict = evaluate(
            connection, rollout.stream, rollout.canary, rollout.stable, gate, reading, now, rollout.started_at
        )
    except NotFoundError as error:
        verdict = Verdict(Outcome.INCONCLUSIVE, str(error), rollout.canary, rollout.stable)
    missing = unapproved(connection, rollout.stream, rollout.canary)
    return verdict, next_step(rollout, last, verdict, now, reading.base_seconds, missing)


def advance(
    store: Store, reading: ArmSettings, now: float, unapproved: Unapproved
) -> list[tuple[Rollout, RolloutStep]]:
    """Decide on every running rollout, and store the steps that follow; those that this process stored."""
    with store.read() as connection:
        running = rollouts.running(connection)
    made: list[tuple[Rollout, RolloutStep]] = []
    for rollout, last in running:
        with store.faults.isolate("rollouts", f"{rollout.stream}"):
            with store.read() as connection:
                _, decision = judge(connection, rollout, last, reading, now, unapproved)
            if decision.step is None:
                continue
            with store.write() as connection:
                is_new = rollouts.add(connection, rollout, decision.step)
                if is_new:
                    what = f"rollout of {rollout.canary} of {rollout.stream}: {decision.reason}"
                    audit.note(connection, now, audit.DAEMON, what, rollout.stream.client)
            if is_new:
                log.info("rollout of %s of %s: %s", rollout.canary, rollout.stream, decision.reason)
                made.append((rollout, decision.step))
    return made


def _serving(connection: Connection, stream: Stream, canary: str) -> str:
    """The version that answered last, other than the canary; of several, the one in use for longest."""
    others = [one for one in model_versions.of(connection, stream) if one.version != canary]
    if not others:
        raise NotFoundError(
            f"no version of {stream} has answered that {canary!r} could be compared with",
            hint="set it with --stable",
        )
    return max(others, key=lambda one: (one.last_seen, -one.first_seen)).version


def _check_version(version: str) -> None:
    flaw = flaw_of_text(version)
    if not version:
        flaw = "is empty"
    elif len(version) > LABEL or len(version.encode(errors="replace")) > VERSION_BYTES:
        flaw = f"is longer than {LABEL} characters or {VERSION_BYTES:,} bytes"
    if flaw:
        raise InputError(f"the name of the version {flaw}")


def _audited(connection: Connection, stream: Stream, who: str, address: str, what: str, now: float) -> None:
    audit.add(connection, [AuditEntry(now, who, address[:64], "change", stream.client, what[:512], 200)])
