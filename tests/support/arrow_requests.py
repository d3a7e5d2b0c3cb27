"""Arrow requests, parsed without a server."""

import pyarrow as pa

from monitor.errors import InputError
from monitor.predictions.intake import parse
from monitor.predictions.intake.arrow import CONTENT_TYPE
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log.batching import assemble
from monitor.predictions.settings import PredictionSettings
from tests.support.log import NOW

RULES = Rules(PredictionSettings(), NOW)


HERE = {"client": "acme", "model": "fraud"}


def stream(*batches, compression=None):
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def batch(columns, metadata=HERE):
    return pa.RecordBatch.from_pydict(columns).replace_schema_metadata(metadata)


def read(kind, body, rules=RULES, content_type=CONTENT_TYPE):
    return parse.read(kind, body, content_type, rules, FastDecoders(rules.settings))


def tried(kind, body):
    """What a stream comes to, or None where all of it is refused, with a reason that can be read."""
    try:
        return read(kind, body)
    except InputError as error:
        reason = error.message
    assert reason
    assert reason.isprintable()
    return None


def rows_of(submission):
    return [
        {name: row[name] for name in sorted(row) if row[name] is not None}
        for _, some in assemble([submission], submission.kind)
        for row in some.to_pylist()
    ]
