"""Changes to versions over the API: staged rollouts, and rollbacks by hand."""

from pathlib import Path
from typing import Literal

import msgspec

from monitor.errors import InputError
from monitor.records import Stream
from monitor.releases.approval.approve import missing_approval
from monitor.rollback import manual
from monitor.rollback.manual import Requester, RollbackRequest
from monitor.rollouts import plan as plans
from monitor.rollouts import running
from monitor.web.api.change import Change, ChangeRequest, OfModel


class NewRollout(OfModel, kw_only=True):
    """A rollout to start. `steps` are `SHARE:DURATION`, separated by commas; without `stable`, the version that answers
    now.
    """

    canary: str
    stable: str = ""
    steps: str = plans.DEFAULT


class StartedRollout(msgspec.Struct):
    """The rollout that was started or stopped; `plan` is its plan in words."""

    canary: str
    stable: str
    plan: str


class NewRollback(OfModel, kw_only=True):
    """A rollback by hand, or the freeze of a rollout. Without `version`, of the newest one; without `to`, to the other
    one that answered last.
    """

    kind: Literal["rollback", "freeze"] = "rollback"
    version: str = ""
    to: str = ""
    comment: str = ""


class RollbackOrder(msgspec.Struct):
    """The id of the order that the daemon carries out."""

    id: str


class Stop(msgspec.Struct):
    """Which rollbacks are stopped or possible again: those of a model, or all without `client` and `model`."""

    client: str = ""
    model: str = ""
    environment: str = "production"
    comment: str = ""


class RollbackStops(msgspec.Struct):
    """How many stops were made or ended; `file` is the file that still stops all rollbacks, or empty."""

    stops: int
    file: str


def start_rollout(change: ChangeRequest[NewRollout]) -> StartedRollout:
    """Start a staged rollout."""
    new, services, stream = change.body, change.services, change.body.stream
    change.is_about(new.client)
    plan = plans.parse_plan(new.steps, services.base_seconds)
    with services.store.write() as connection:
        if reason := missing_approval(services.release_policy)(connection, stream, new.canary):
            raise InputError(reason, hint="docs/releases.md says how a version is approved")
        begun = running.start(
            connection,
            stream,
            new.canary,
            new.stable,
            plan,
            who=change.who,
            address=change.address,
            now=change.now,
        )
    return StartedRollout(begun.canary, begun.stable, plans.in_words(plan))


def stop_rollout(change: ChangeRequest[OfModel]) -> StartedRollout:
    """Stop the running rollout of a model: the stable version receives all traffic."""
    stream = change.body.stream
    change.is_about(stream.client)
    with change.services.store.write() as connection:
        ended = running.stop(connection, stream, who=change.who, address=change.address, now=change.now)
    return StartedRollout(ended.canary, ended.stable, plans.in_words(ended.plan))


def order_rollback(change: ChangeRequest[NewRollback]) -> RollbackOrder:
    """Roll a version back at once: the daemon gives the order to the model's executor."""
    new, services, stream = change.body, change.services, change.body.stream
    change.is_about(new.client)
    requested, own = RollbackRequest(new.kind, new.version, new.to), services.rollback(stream)
    person, file = Requester(change.who, change.address, new.comment), Path(services.rollback_stop_file)
    with services.store.write() as connection:
        made = manual.order_now(
            connection, stream, requested, own, person, file, services.base_seconds, change.now
        )
    return RollbackOrder(made.id)


def stop_rollbacks(change: ChangeRequest[Stop]) -> RollbackStops:
    """Stop all rollbacks, or those of one model."""
    with change.services.store.write() as connection:
        manual.stop(connection, _scope(change), _person(change), change.now)
    return RollbackStops(1, "")


def resume_rollbacks(change: ChangeRequest[Stop]) -> RollbackStops:
    """End a stop of all rollbacks, or of those of one model."""
    with change.services.store.write() as connection:
        ended = manual.resume(connection, _scope(change), _person(change), change.now)
    file = Path(change.services.rollback_stop_file)
    return RollbackStops(ended, str(file) if file.exists() else "")


def _scope(change: ChangeRequest[Stop]) -> Stream | None:
    """The stream that a stop is for; None for all of all clients."""
    body = change.body
    change.is_about(body.client)
    if not (body.client or body.model):
        return None
    return OfModel(client=body.client, model=body.model, environment=body.environment).stream


def _person(change: ChangeRequest[Stop]) -> Requester:
    return Requester(change.who, change.address, change.body.comment)


CHANGES = (
    Change("rollouts", "operator", NewRollout, StartedRollout, start_rollout),
    Change("rollouts/stop", "operator", OfModel, StartedRollout, stop_rollout),
    Change("rollbacks", "operator", NewRollback, RollbackOrder, order_rollback),
    Change("rollbacks/stop", "operator", Stop, RollbackStops, stop_rollbacks),
    Change("rollbacks/resume", "operator", Stop, RollbackStops, resume_rollbacks),
)
