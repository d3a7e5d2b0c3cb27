"""What commands show of models: alerts explained, silences, versions, baselines and registered texts."""

import time
from pathlib import Path
from typing import Any

from monitor.cli import daemon_client
from monitor.cli.lists.daemon_or_store import read
from monitor.cli.store_option import opened
from monitor.config.root import Config
from monitor.config.rule_files import rules_of
from monitor.config.verdict_reading import reading_of
from monitor.records import Stream
from monitor.releases.approval.approve import missing_approval as why_unapproved
from monitor.rollouts import view as rollout_view
from monitor.rollouts.evaluate import evaluate
from monitor.rollouts.verdict import Gate
from monitor.rollouts.view import ShownRollout, View
from monitor.web.api.rollouts import as_json, with_approval
from monitor.web.api.staff import model_lists as lists
from monitor.web.api.staff import model_schemas as schemas


def explanations(settings: Config, name: str) -> list[schemas.ExplanationAnswer]:
    """The alerts or rules of a name, explained."""
    if (daemon := daemon_client.running(settings)) is not None:
        return daemon.get("explanations", list[schemas.ExplanationAnswer], name=name)
    rules = rules_of(settings)
    with opened(settings).read() as connection:
        return lists.explanations(connection, time.time(), rules, settings.alerts, name, "")


def silences(settings: Config) -> list[schemas.SilenceRow]:
    """Active and future silences."""
    return read(settings, "silences", list[schemas.SilenceRow], lists.active_silences, time.time(), "")


def newest_rollouts(settings: Config) -> list[ShownRollout]:
    """The newest rollout of each model."""
    return read(settings, "rollouts", list[ShownRollout], lists.newest_rollouts, "")


def rollouts(settings: Config, stream: Stream, most: int) -> list[ShownRollout]:
    """At most `most` rollouts of a model, newest first."""
    named = daemon_client.named(stream)
    return read(
        settings, "rollouts", list[ShownRollout], lists.past_rollouts, stream, most, most=most, **named
    )


def rollout_seen(settings: Config, stream: Stream, canary: str) -> View:
    """What there is to see of a rollout now."""
    unapproved = why_unapproved(settings.release_policy)
    given = (stream, canary, reading_of(settings), time.time(), unapproved)
    named = daemon_client.named(stream)
    return read(settings, "rollouts/view", View, rollout_view.view, *given, canary=canary, **named)


def verdict(settings: Config, stream: Stream, canary: str, stable: str, gate: Gate) -> dict[str, Any]:
    """Whether a version is worse than another one, as `monitor.web.api.rollouts` answers."""
    if (daemon := daemon_client.running(settings)) is not None:
        parts = "/".join(daemon_client.part(one) for one in (stream.client, stream.model))
        wanted = {"canary": canary, "stable": stable, "gate": gate.value, "environment": stream.environment}
        return daemon.get(f"/v1/rollouts/{parts}/verdict", dict[str, Any], **wanted)
    reading, policy = reading_of(settings), settings.release_policy(stream)
    with opened(settings).read() as connection:
        compared = evaluate(connection, stream, canary, stable, gate, reading, time.time())
        return as_json(with_approval(connection, stream, compared, gate, policy))


def releases(settings: Config, stream: Stream) -> schemas.ReleasesAnswer:
    """The recorded releases of a model, newest first."""
    named = daemon_client.named(stream)
    return read(settings, "releases", schemas.ReleasesAnswer, lists.recorded_releases, stream, **named)


def manifests(settings: Config, stream: Stream, version: str) -> list[schemas.ManifestAnswer]:
    """The manifests of one version, oldest first."""
    kind, named = list[schemas.ManifestAnswer], daemon_client.named(stream)
    return read(
        settings, "releases/manifests", kind, lists.manifests, stream, version, version=version, **named
    )


def missing_approval(settings: Config, stream: Stream, version: str) -> schemas.MissingApprovalAnswer:
    """Whether a version needs an approval."""
    kind, named = schemas.MissingApprovalAnswer, daemon_client.named(stream)
    given = (stream, version, settings.release_policy)
    return read(settings, "approvals", kind, lists.missing_approval, *given, version=version, **named)


def rollbacks(settings: Config, stream: Stream | None) -> schemas.RollbacksAnswer:
    """Decisions on rollbacks of a model, or of all, newest first, and what stops them."""
    file = Path(settings.rollback.stop_file)
    given = (stream, "", str(file) if file.exists() else "")
    named = daemon_client.named(stream) if stream else {}
    return read(settings, "rollbacks", schemas.RollbacksAnswer, lists.decided_rollbacks, *given, **named)


def rollback(settings: Config, identity: str) -> schemas.OneRollbackAnswer:
    """One decision on a rollback."""
    path = f"rollbacks/decisions/{daemon_client.part(identity)}"
    return read(settings, path, schemas.OneRollbackAnswer, lists.one_rollback, identity, "")


def drills(settings: Config, stream: Stream) -> schemas.DrillsAnswer:
    """The drills of a model in all environments, newest first."""
    client, model = stream.client, stream.model
    kind = schemas.DrillsAnswer
    return read(settings, "rollbacks/drills", kind, lists.drills, client, model, client=client, model=model)


def baseline(settings: Config, stream: Stream) -> schemas.BaselineAnswer:
    """The baseline of a model."""
    named = daemon_client.named(stream)
    return read(settings, "baselines", schemas.BaselineAnswer, lists.baseline, stream, **named)


def prompts(settings: Config, client: str) -> list[schemas.PromptRow]:
    """The registered system prompts of a client, or of all."""
    return read(settings, "prompts", list[schemas.PromptRow], lists.prompts, client, client=client)


def canaries(settings: Config, client: str) -> list[schemas.CanaryRow]:
    """The registered canaries of a client, or of all."""
    return read(settings, "canaries", list[schemas.CanaryRow], lists.canaries, client, client=client)
