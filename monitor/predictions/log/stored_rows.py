"""The rows of stored batches, where one that is damaged stops none of the others."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
from sqlalchemy import Connection

from monitor.predictions.log.batch import decode
from monitor.store.db import faults_of
from monitor.store.predictions import StoredBatch


def decoded(
    connection: Connection, batches: Iterable[StoredBatch]
) -> Iterator[tuple[StoredBatch, pa.RecordBatch]]:
    """Each batch with its rows. A batch that cannot be decoded is reported and left out."""
    for batch in batches:
        rows = None
        with faults_of(connection).isolate("prediction_batches", f"{batch.id} of {batch.stream}"):
            rows = decode(batch.blob)
        if rows is not None:
            yield batch, rows
