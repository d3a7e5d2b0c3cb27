"""Every place that holds data of clients, with the time after which it is deleted.

One list for retention, erasure, encryption and the documentation. A test compares it with the tables of the schema, and
with the files that a daemon writes: a new table or file needs a line here.
"""

from dataclasses import dataclass
from enum import StrEnum


class Owner(StrEnum):
    """How the rows of a client are found."""

    CLIENT = "client"
    """By the column `client`."""
    STREAM = "stream"
    """By the column `stream`, the number of a stream of the client."""
    BATCH = "batch"
    """By the column `batch`, the number of a batch of predictions of the client."""
    FINGERPRINT = "fingerprint"
    """By the column `fingerprint`, the identity of an alert of the client."""
    DELIVERY = "delivery"
    """By the column `delivery`, the number of a row of the outbox."""
    CONTENT = "content"
    """By what the row holds: it has to be decoded."""
    NOBODY = "nobody"
    """The rows hold no data of a client."""


@dataclass(frozen=True, slots=True)
class ClientTable:
    """A table. `kept` is the key of the configuration that says for how long a row is kept, or the reason why it stays.

    With `has_rows`, it holds values of single predictions (ids, features, texts), which erasing a person removes.
    """

    table: str
    owner: Owner
    kept: str
    has_rows: bool = False


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Files. `setting` is the key of the configuration that names them; `is_sealed`: encrypted with `store.key`."""

    what: str
    setting: str
    kept: str
    is_sealed: bool = True


_FIGURES, _ROWS, _REJECTED = "windows.retention", "predictions.retention", "predictions.quarantine_retention"
_SENT, _RESENT = "store.keep_deliveries", "predictions.resend_window"

PLACES = (
    ClientTable("alerts", Owner.CLIENT, _FIGURES),
    ClientTable(
        "api_keys", Owner.CLIENT, "until erased: a key names no person, and the audit log refers to it"
    ),
    ClientTable("audit", Owner.CLIENT, _FIGURES),
    ClientTable("audit_checkpoints", Owner.CLIENT, "the last one before the first entry, and those after it"),
    ClientTable(
        "baselines",
        Owner.STREAM,
        "until replaced, then windows.retention; rows in it: predictions.retention",
        True,
    ),
    ClientTable("canaries", Owner.CLIENT, "until erased or removed: hashes only"),
    ClientTable("change_subscriptions", Owner.CLIENT, _SENT),
    ClientTable("days", Owner.CLIENT, _FIGURES),
    ClientTable("definitions", Owner.CLIENT, "until erased: names and expressions of the configuration"),
    ClientTable("diagnoses", Owner.FINGERPRINT, _FIGURES, True),
    ClientTable(
        "digest_readers", Owner.CLIENT, "until erased: people who unsubscribed must not be emailed again"
    ),
    ClientTable("digests", Owner.CLIENT, _FIGURES),
    ClientTable(
        "drift_acceptances", Owner.STREAM, "as long as its stream: the accepted state remains in force"
    ),
    ClientTable("drift_calibrations", Owner.STREAM, "as long as its stream: figures only"),
    ClientTable("drift_incidents", Owner.STREAM, _SENT),
    ClientTable("drift_states", Owner.STREAM, "as long as its stream: figures only"),
    ClientTable("drift_verdicts", Owner.STREAM, _SENT),
    ClientTable("faults", Owner.CONTENT, "a minute after they end"),
    ClientTable("feature_importance", Owner.STREAM, "as long as its stream: figures only"),
    ClientTable("gauges", Owner.CLIENT, "store.keep_gauges"),
    ClientTable("half_calls", Owner.CONTENT, _REJECTED, True),
    ClientTable("history", Owner.STREAM, _FIGURES),
    ClientTable("incident_notes", Owner.CLIENT, _FIGURES),
    ClientTable("incidents", Owner.CONTENT, _FIGURES),
    ClientTable("known_outcomes", Owner.BATCH, _ROWS, True),
    ClientTable("judgements", Owner.CLIENT, "seconds: until notifications of it are planned"),
    ClientTable("layouts", Owner.CONTENT, "until nothing uses it: names of columns and labels of categories"),
    ClientTable("leases", Owner.NOBODY, "one row for each daemon and worker"),
    ClientTable("listening", Owner.NOBODY, _SENT),
    ClientTable("measurement_shapes", Owner.CONTENT, "until erased: names of metrics and columns"),
    ClientTable("measurements", Owner.STREAM, _FIGURES),
    ClientTable("outbox", Owner.CONTENT, _SENT),
    ClientTable("outcome_batches", Owner.STREAM, "predictions.outcome_wait", True),
    ClientTable("outcome_counts", Owner.STREAM, "as long as its stream: counts only"),
    ClientTable("prediction_batches", Owner.STREAM, _ROWS, True),
    ClientTable("probes", Owner.CLIENT, _SENT),
    ClientTable("profiles", Owner.STREAM, _FIGURES),
    ClientTable("quarantine", Owner.CLIENT, _REJECTED, True),
    ClientTable("receipts", Owner.DELIVERY, _SENT),
    ClientTable("release_approvals", Owner.CLIENT, "as long as its stream: the evidence for what runs"),
    ClientTable("releases", Owner.CLIENT, "as long as its stream: the evidence for what runs"),
    ClientTable("requests", Owner.NOBODY, _RESENT),
    ClientTable("revisions", Owner.STREAM, "as long as its stream: counts only"),
    ClientTable("rollback_drills", Owner.CLIENT, _FIGURES),
    ClientTable("rollback_stops", Owner.CLIENT, _FIGURES),
    ClientTable("rollbacks", Owner.CLIENT, _FIGURES),
    ClientTable("rollout_steps", Owner.CLIENT, _FIGURES),
    ClientTable("rollouts", Owner.CLIENT, _FIGURES),
    ClientTable("scores", Owner.CLIENT, _ROWS, True),
    ClientTable("sessions", Owner.CLIENT, "web.session_lifetime"),
    ClientTable("signing_keys", Owner.NOBODY, "one row for each purpose"),
    ClientTable("silences", Owner.CONTENT, _FIGURES),
    ClientTable("site_bases", Owner.STREAM, _FIGURES),
    ClientTable("site_bundles", Owner.CLIENT, "as long as its client: numbers and hashes only"),
    ClientTable("site_changes", Owner.STREAM, "until the window is bundled"),
    ClientTable("site_state", Owner.NOBODY, "one row"),
    ClientTable("site_windows", Owner.STREAM, _FIGURES),
    ClientTable("source_positions", Owner.NOBODY, "one row for each source"),
    ClientTable("source_states", Owner.NOBODY, "one row for each source"),
    ClientTable("streams", Owner.CLIENT, "until it has sent nothing for the longest of these times"),
    ClientTable("system_prompts", Owner.CLIENT, "until erased or removed: hashes only"),
    ClientTable("target_periods", Owner.CLIENT, _FIGURES),
    ClientTable("texts", Owner.CLIENT, "predictions.text_retention", True),
    ClientTable("transitions", Owner.CLIENT, _FIGURES),
    ClientTable("unmeasured", Owner.STREAM, "until the window is measured"),
    ClientTable("versions", Owner.CLIENT, "as long as its stream, at most 200 for each: names only"),
    ClientTable("waiting_calls", Owner.CLIENT, "a quarter of an hour", True),
    ClientTable("waiting_runs", Owner.CLIENT, "`predictions.runs_longest` and `runs_outer_wait`", True),
    ClientTable("webhooks", Owner.NOBODY, _SENT),
)
"""All tables of the schema, those without data of clients too."""

FILES = (
    FilePlace("the database with its write-ahead log", "store.url", "as its tables"),
    FilePlace("notifications sent during an outage", "notify.spool", "until the database is back"),
    FilePlace("Evidently reports", "reports.folder", "reports.kept"),
    FilePlace("bundles of a site", "site.outbox", "site.kept", is_sealed=False),
    FilePlace(
        "checkpoints of the audit log",
        "audit.checkpoints",
        "until you delete it: names of clients only",
        False,
    ),
    FilePlace(
        "notifications as JSON lines", "notify.file.path", "until a log shipper rotates it", is_sealed=False
    ),
)
"""All files that a daemon writes."""
