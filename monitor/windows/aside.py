"""What cannot be counted is set aside, so that it stops neither the other rows of its stream nor the other streams.

Its rows stay in the log, and in the quarantine stands why: nothing is lost, and it can be counted again by a version
that knows how.
"""

import logging

from monitor.predictions.batches import decode
from monitor.records import Rejected, Stream
from monitor.store import predictions, quarantine
from monitor.store.db import Store
from monitor.store.predictions import StoredBatch
from monitor.store.quarantine import Quarantined
from monitor.windows.count import count
from monitor.windows.layout import Layout
from monitor.windows.rolling import current_layout
from monitor.windows.settings import WindowSettings

log = logging.getLogger(__name__)

UNCOUNTABLE = "uncountable"


def set_aside(store: Store, stream: Stream, settings: WindowSettings, now: float) -> int:
    """Try the waiting batches of a stream one by one, and set aside those that cannot be counted; how many it were."""
    with store.read() as connection:
        layout = current_layout(connection, stream)
        waiting = predictions.uncounted(connection, stream, settings.batches_per_commit)
    broken = [(batch, why) for batch in waiting if (why := _fault(batch, layout, settings))]
    with store.write() as connection:
        predictions.mark_counted(connection, [batch.id for batch, _ in broken])
        quarantine.put(connection, [_kept(batch, why, now) for batch, why in broken])
    for batch, why in broken:
        log.error("%d rows of %s cannot be counted and were set aside: %s", batch.rows, stream, why)
    return len(broken)


def _fault(batch: StoredBatch, layout: Layout, settings: WindowSettings) -> str:
    """Why a batch cannot be counted, or the empty string."""
    try:
        count(decode(batch.blob), layout, settings.max_segments)
    except Exception as error:  # whatever is wrong with one batch must not stop the others
        return f"{type(error).__name__}: {error}"
    return ""


def _kept(batch: StoredBatch, why: str, now: float) -> Quarantined:
    stream = batch.stream
    hint = "the rows are in the log; see the daemon's own log for what is wrong with them"
    rejected = Rejected(0, f"could not be counted: {why}", hint, stream.client, stream.model)
    return Quarantined(now, "predictions", UNCOUNTABLE, rejected, batch.rows)
