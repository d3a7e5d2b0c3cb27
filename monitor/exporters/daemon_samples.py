"""Samples about the daemon: requests over HTTP, and notifications."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from monitor.exporters.samples import SampleSet
from monitor.predictions.log.writer import IntakeStats
from monitor.store import digests, outbox
from monitor.store import streams as stream_rows
from monitor.store.quarantine import REASONS

_OUTCOMES = ("sent", "failed")


def intake(samples: SampleSet, connection: Connection, stats: IntakeStats) -> None:
    """Samples for records over HTTP, as for any other source."""
    samples.put("watchkeeper_source_rows", ["http"], sum(stats.accepted.values()))
    for reason, refused in sorted({**dict.fromkeys(REASONS, 0), **stats.rejected}.items()):
        samples.put("watchkeeper_source_errors", ["http", reason], refused)
    marks = [f.watermark for f in stream_rows.figures_of_all(connection) if f.watermark is not None]
    if marks:
        samples.put("watchkeeper_source_watermark_timestamp_seconds", ["http"], max(marks))


def attempts(counts: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Attempts by channel and outcome, `sent` or `failed`: all reasons of a failure are added up."""
    totals: dict[tuple[str, str], float] = {}
    for (channel, outcome), count in counts.items():
        key = (channel, "sent" if outcome == "sent" else "failed")
        totals[key] = totals.get(key, 0.0) + count
    return totals


def notifications(
    samples: SampleSet,
    connection: Connection,
    channels: Sequence[str],
    totals: Mapping[tuple[str, str], float],
) -> None:
    """The queue of each channel, its attempts (`totals` by channel and outcome), and the digests."""
    lengths = outbox.lengths(connection)
    for channel in sorted({*channels, *lengths}):
        samples.put("watchkeeper_notification_queue_length", [channel], lengths.get(channel, 0))
    none_yet = {(channel, outcome): 0.0 for channel in channels for outcome in _OUTCOMES}
    for (channel, outcome), total in sorted({**none_yet, **totals}.items()):
        samples.put("watchkeeper_notifications", [channel, outcome], total)
    for (client, kind), at in sorted(digests.last_composed(connection).items()):
        samples.put("watchkeeper_digest_last_success_timestamp_seconds", [f"{client}/{kind}"], at)
