"""The fields of a record are declared once: all else follows, and one more line is one more field."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

import monitor
from monitor.predictions import fields
from monitor.predictions.fields import ALL, OUTCOME, PREDICTION, FieldType, OutcomeRow, Row
from monitor.predictions.intake import arrow, schema
from monitor.predictions.intake.fast_decoder import StreamDecoder
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log.columns import LABEL
from monitor.predictions.log.rows import by_field, columns
from monitor.predictions.settings import PredictionSettings
from monitor.sources.files import chunked
from tests.support.log import NOW, STREAM, outcome, prediction

RULES = Rules(PredictionSettings(), NOW)
# A value of each type as a sender may write it, the checked value, and the type of the log's column.
VALUES = {
    FieldType.ID: ("a-1", "a-1", pa.string()),
    FieldType.VERSION: ("7", "7", LABEL),
    FieldType.LABEL: ("text", "text", LABEL),
    FieldType.ANSWER: ("ok", "ok", LABEL),
    FieldType.PROBABILITY: (1.0000001, 1.0, pa.float64()),
    FieldType.MILLISECONDS: (2.5, 2.5, pa.float64()),
    FieldType.NUMBER: (1.5, 1.5, pa.float64()),
    FieldType.BOOLEAN: (True, True, pa.bool_()),
    FieldType.ITEMS: (["b", "a"], '["b","a"]', pa.string()),
    FieldType.LABEL_SET: (["b", "a", "b"], '["a","b"]', pa.string()),
    FieldType.OUTPUTS: ('{"b": 1, "a": -2}', '{"a":-2.0,"b":1.0}', pa.string()),
    FieldType.GRADES: ('{"b": 1, "a": 2}', '{"a":2.0,"b":1.0}', pa.string()),
}


def test_the_declared_fields_are_the_fields_of_the_rows():
    assert Row.__struct_fields__ == ("timestamp", *PREDICTION, *fields.GROUPS, "call")
    assert OutcomeRow.__struct_fields__ == ("timestamp", "id", *OUTCOME)
    assert set(VALUES) == set(FieldType)


@pytest.mark.parametrize("name", PREDICTION)
def test_each_field_of_a_prediction_is_checked_decoded_and_stored(name):
    sent, checked, stored_type = VALUES[PREDICTION[name].type]
    record = prediction(**{name: sent})
    _, row = schema.read_prediction(record, RULES)
    assert getattr(row, name) == checked
    assert schema.ignored(record) == set()
    shape = StreamDecoder(STREAM, RULES.settings)
    fast = json.loads(sent) if PREDICTION[name].type is FieldType.OUTPUTS else sent
    rows = shape.decode(msgspec.json.encode(record | {name: fast}), "one", bound=False)
    assert rows is not None
    assert getattr(rows[0], name) == fast
    batch = columns(by_field({name: [fast]}, [int(NOW * 1e6)]))
    assert batch.column(name).to_pylist() == [checked]
    assert batch.schema.field(name).type == stored_type


@pytest.mark.parametrize("name", OUTCOME)
def test_each_field_of_an_outcome_is_checked_and_stored(name):
    sent, checked, stored_type = VALUES[OUTCOME[name].type]
    _, row = schema.read_outcome(outcome(id="a-1", **{name: sent}), RULES)
    assert getattr(row, name) == checked
    batch = columns(by_field({name: [sent]}, [int(NOW * 1e6)]))
    assert batch.schema.field(name).type == stored_type


@pytest.mark.parametrize("name", ALL)
def test_each_field_is_a_column_of_requests_in_arrow_and_of_files(name):
    sent, _, stored_type = VALUES[ALL[name].type]
    assert arrow.typed(name, pa.array([sent])).type == stored_type
    assert arrow.typed(f"outcome.{name}", pa.array([sent])).type == stored_type
    is_answer = ALL[name].type is FieldType.ANSWER  # labels or numbers: each file says which
    assert is_answer != (name in (*chunked.CHECKED, *chunked.NAMED))


SEND_A_REGION = """
import io, json
import pyarrow as pa
from monitor.predictions.fields import PREDICTION_FIELDS
from monitor.predictions.intake import parse
from monitor.predictions.intake.arrow import CONTENT_TYPE
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log.batching import assemble
from monitor.predictions.settings import PredictionSettings

rules = Rules(PredictionSettings(), 1_795_420_800.0)
decoders = FastDecoders(rules.settings)
record = {"client": "acme", "model": "fraud", "prediction": "ok", "region": "eu", "timestamp": rules.now}

def read(body, content_type="application/json"):
    return parse.read(RecordKind.PREDICTIONS, body, content_type, rules, decoders)

table = pa.RecordBatch.from_pylist([record])
sink = io.BytesIO()
with pa.ipc.new_stream(sink, table.schema) as writer:
    writer.write_batch(table)
one, many = json.dumps(record).encode(), json.dumps([record] * 99).encode()
for request in (read(one), read(one), read(many), read(sink.getvalue(), CONTENT_TYPE)):
    ((_, rows),) = assemble([request], RecordKind.PREDICTIONS)
    column = rows.column("region")
    print(json.dumps([sorted(request.ignored), column.to_pylist()[0], str(column.type)]))
bad = read(json.dumps({**record, "region": [1]}).encode())
is_fast = decoders.guess(one, "").decode(one, "one", False) is not None
print(json.dumps([bad.rejected[0].rejected.error, "region" in PREDICTION_FIELDS, is_fast]))
"""


def test_one_line_adds_a_field(tmp_path: Path):
    """In a copy of the package with one more line, a new field passes every way in, up to the columns of the log."""
    package = tmp_path / "monitor"
    shutil.copytree(
        Path(monitor.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "static")
    )
    declaration = package / "predictions" / "fields.py"
    before = "    cost: Annotated"
    line = "    region: Annotated[str | None, Field(FieldType.LABEL)] = None\n"
    text = declaration.read_text()
    assert text.count(before) == 1
    declaration.write_text(text.replace(before, line + before))
    run = subprocess.run(
        [sys.executable, "-c", SEND_A_REGION],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    *accepted, rest = map(json.loads, run.stdout.splitlines())
    assert accepted == [[[], "eu", str(LABEL)]] * 4
    assert rest == ["region is a list, not a string", True, True]
