"""Reads what the rollback plan of a model is made of."""

from collections.abc import Sequence
from urllib.parse import quote

from sqlalchemy import Connection

from monitor.records import Stream
from monitor.rollback.procedure.plan import PlanContext
from monitor.rollback.settings import RollbackSettings
from monitor.rules.rule import RuleSet
from monitor.store import model_versions, rollback_drills


def plan_context(
    connection: Connection,
    stream: Stream,
    settings: RollbackSettings,
    rules: RuleSet,
    recipients: Sequence[str],
    public_url: str,
    stop_file: str,
    now: float,
) -> PlanContext:
    """The context of a plan. `recipients` are those of the client's digest."""
    page = f"{public_url.rstrip('/')}/c/{quote(stream.client, safe='')}/" if public_url else ""
    return PlanContext(
        stream,
        settings,
        model_versions.of(connection, stream),
        rollback_drills.of_model(connection, stream.client, stream.model),
        [rule.name for rule in rules.for_stream(stream) if rule.action != "none"],
        recipients,
        page,
        stop_file,
        now,
    )
