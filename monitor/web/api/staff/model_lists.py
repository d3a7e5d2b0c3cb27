"""Reads from the store what staff read of models: for the API, and for commands that have no daemon to ask.

An empty client means all of them.
"""

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection

from monitor.alerts import explain as explaining
from monitor.alerts.inactive import explain_inactive
from monitor.alerts.settings import AlertSettings
from monitor.alerts.silencing import client_of
from monitor.clock import iso
from monitor.errors import NotFoundError
from monitor.records import Stream
from monitor.releases.approval.approve import decision_on
from monitor.releases.recording.record import contradicting
from monitor.releases.settings import ReleasePolicy
from monitor.rollouts import view
from monitor.rollouts.view import ShownRollout
from monitor.rules.rule import RuleSet
from monitor.store import (
    model_versions,
    outbox,
    registered_texts,
    releases,
    rollback_drills,
    rollback_stops,
    rollbacks,
    rollouts,
    silences,
)
from monitor.store.releases import Release
from monitor.store.rollback_stops import RollbackStop
from monitor.visible import counted, visible
from monitor.web.api.staff import model_schemas as schemas
from monitor.web.api.staff.model_schemas import ExplanationAnswer, SilenceRow
from monitor.windows import baseline as baselines

MOST_EXPLAINED = 100
"""Alerts that are explained at once: a rule may have one for each of thousands of models."""


def explanations(
    connection: Connection, now: float, rules: RuleSet, settings: AlertSettings, name: str, client: str
) -> list[ExplanationAnswer]:
    """The alerts of that name explained; if there are none, the rules of that name.

    Raises:
        NotFoundError: there is no such alert, model or rule of the client.
    """
    try:
        matching = explaining.find(connection, name, client)
    except NotFoundError:
        return [ExplanationAnswer(explain_inactive(connection, name, rules, client))]
    explained = explaining.explain_all(connection, matching[:MOST_EXPLAINED], rules, settings, now)
    answers = [ExplanationAnswer(list(one.lines)) for one in explained]
    if left := len(matching) - len(answers):
        answers.append(
            ExplanationAnswer([f"{counted(left, 'further alert')}: name client/model/rule, or an id"])
        )
    return answers


def active_silences(connection: Connection, now: float, client: str) -> list[SilenceRow]:
    """Active and future silences, by end; of one client, those that are limited to it."""
    return [
        SilenceRow(one.id, list(one.matchers), iso(one.starts_at), iso(one.ends_at), one.author, one.comment)
        for one in silences.load(connection, now)
        if not client or client_of(one) == client
    ]


def newest_rollouts(connection: Connection, client: str) -> list[ShownRollout]:
    """The newest rollout of each model."""
    return [view.shown(*one) for one in rollouts.newest(connection, client)]


def past_rollouts(connection: Connection, stream: Stream, most: int) -> list[ShownRollout]:
    """At most `most` rollouts of a model, newest first."""
    return [view.shown(*one) for one in rollouts.of_stream(connection, stream, most)]


def recorded_releases(connection: Connection, stream: Stream) -> schemas.ReleasesAnswer:
    """The releases of a model, and which of its versions answered."""
    recorded = releases.of(connection, stream)
    answered = {one.version: one for one in model_versions.of(connection, stream)}
    by_version: dict[str, list[Release]] = {}
    for one in recorded:
        by_version.setdefault(one.version, []).append(one)
    differ = {version: list(contradicting(some)) for version, some in by_version.items()}
    listed = [
        schemas.RecordedAnswer(
            one.version,
            iso(one.released_at),
            one.released_by,
            one.digest,
            one.source,
            iso(answered[one.version].last_seen) if one.version in answered else None,
            differ[one.version],
        )
        for one in reversed(recorded)
    ]
    return schemas.ReleasesAnswer(listed, [name for name in answered if name and name not in by_version])


def manifests(connection: Connection, stream: Stream, version: str) -> list[schemas.ManifestAnswer]:
    """The manifests of one version, oldest first.

    Raises:
        NotFoundError: it was never released.
    """
    recorded = releases.with_manifests(connection, stream, version)
    if not recorded:
        raise NotFoundError(
            f"no release {visible(version)!r} of {visible(str(stream))}",
            hint=f"see: watchkeeper release list {visible(str(stream))}",
        )
    return [
        schemas.ManifestAnswer(
            one.digest,
            iso(one.released_at),
            iso(one.recorded_at),
            one.recorded_by,
            one.source,
            msgspec.Raw(one.manifest.encode()),
        )
        for one in recorded
    ]


def missing_approval(
    connection: Connection, stream: Stream, version: str, policy: Callable[[Stream], ReleasePolicy]
) -> schemas.MissingApprovalAnswer:
    """Whether a version has the approvals that its model requires."""
    decision = decision_on(connection, stream, version, policy(stream))
    return schemas.MissingApprovalAnswer(decision.is_needed, decision.reason)


def decided_rollbacks(
    connection: Connection, stream: Stream | None, client: str, file: str
) -> schemas.RollbacksAnswer:
    """Decisions on rollbacks of a model, or of all models, and what stops them. `file` is the one that does, if any."""
    listed = (
        rollbacks.of_stream(connection, stream) if stream else rollbacks.latest(connection, client=client)
    )
    stops = [one for one in rollback_stops.in_force(connection) if _concerns(one, client)]
    answers = [schemas.StopAnswer(str(stop.stream or ""), stop.author, iso(stop.at)) for stop in stops]
    return schemas.RollbacksAnswer(listed, answers, file)


def _concerns(stop: RollbackStop, client: str) -> bool:
    return stop.stream is None or client in ("", stop.stream.client)


def one_rollback(connection: Connection, identity: str, client: str) -> schemas.OneRollbackAnswer:
    """One decision on a rollback.

    Raises:
        NotFoundError: there is none of the client with this id.
    """
    one = rollbacks.named(connection, identity)
    if one is None or client not in ("", one.stream.client):
        raise NotFoundError(f"no decision {visible(identity)!r}", hint="watchkeeper rollback list")
    sent = [delivery.id for delivery in outbox.about(connection, one.id, 0) if delivery.id is not None]
    receipts = [receipt for some in outbox.receipts_of(connection, sent).values() for receipt in some]
    return schemas.OneRollbackAnswer(
        one,
        [schemas.AttemptAnswer(iso(r.at), str(r.outcome), r.seconds, r.detail) for r in receipts],
    )


def drills(connection: Connection, client: str, model: str) -> schemas.DrillsAnswer:
    """The drills of a model in all environments."""
    return schemas.DrillsAnswer(rollback_drills.of_model(connection, client, model))


def baseline(connection: Connection, stream: Stream) -> schemas.BaselineAnswer:
    """The baseline in force.

    Raises:
        NotFoundError: the model has none.
    """
    current = baselines.load(connection, stream)
    if current is None:
        raise NotFoundError(f"{stream} has no baseline yet", hint="see: watchkeeper baseline set --help")
    return schemas.BaselineAnswer(
        str(stream),
        current.source,
        iso(current.created_at),
        current.profile.rows,
        {column.name: column.kind.value for column in current.layout.columns if not column.other},
        [column.name for column in current.layout.relations],
        list(current.layout.notes),
    )


def prompts(connection: Connection, client: str) -> list[schemas.PromptRow]:
    """The registered system prompts, without their texts."""
    return [
        schemas.PromptRow(
            prompt.client,
            prompt.model,
            prompt.version,
            prompt.words,
            len(prompt.shingles),
            iso(prompt.registered_at),
        )
        for prompt in registered_texts.load(connection).prompts
        if client in ("", prompt.client)
    ]


def canaries(connection: Connection, client: str) -> list[schemas.CanaryRow]:
    """The registered canaries, without their tokens."""
    return [
        schemas.CanaryRow(canary.id, canary.client, canary.model, canary.name, iso(canary.created_at))
        for canary in registered_texts.load(connection).canaries
        if client in ("", canary.client)
    ]
