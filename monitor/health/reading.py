"""The store, read for pages and digests: a client's models with their state and figures."""

from sqlalchemy import Connection

from monitor.health import verdict
from monitor.health.settings import ClientSettings
from monitor.health.verdict import ClientHealth
from monitor.store import predictions

SHOWN = "production"
"""Clients see production only."""


def client(connection: Connection, key: str, settings: ClientSettings, now: float) -> ClientHealth | None:
    """How a client's models are doing; None where nothing is known of such a client."""
    found = [
        figures
        for figures in predictions.figures_of_all(connection)
        if figures.stream.client == key and figures.stream.environment == SHOWN
    ]
    if not found and not settings.models:
        return None
    models = [
        verdict.judge(
            figures.stream,
            settings.title(figures.stream.model),
            (),
            figures.last_received if figures.rows else None,
            now=now,
            stale_after=settings.stale_after,
        )
        for figures in found
    ]
    headline, health = verdict.headline(models)
    return ClientHealth(key, settings.name or key, now, verdict.worst_first(models), headline, health)
