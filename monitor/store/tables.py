"""Every table of the store, known to one `metadata`: what migrations are compared with."""

from monitor.store import (
    access,
    alerts,
    audit,
    baselines,
    days,
    digests,
    drift,
    incidents,
    leases,
    measurements,
    outbox,
    outcomes,
    predictions,
    probes,
    profiles,
    quarantine,
    requests,
    sessions,
    silences,
    unmeasured,
    versions,
    webhooks,
)
from monitor.store.db import metadata

NOUNS = (
    access,
    alerts,
    audit,
    baselines,
    days,
    digests,
    drift,
    incidents,
    leases,
    measurements,
    outbox,
    outcomes,
    predictions,
    probes,
    profiles,
    quarantine,
    requests,
    sessions,
    silences,
    unmeasured,
    versions,
    webhooks,
)

__all__ = ["NOUNS", "metadata"]
