"""Which texts are numbers: the same in every way in. Python reads more of them than any other reader."""

import io
import json
import math

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.predictions.intake import parse
from monitor.predictions.intake.arrow import CONTENT_TYPE
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log.batching import assemble
from monitor.predictions.log.columns import numbers
from monitor.predictions.settings import PredictionSettings
from monitor.text_limits import number_in
from tests.support.thorough import examples

SETTINGS = PredictionSettings()
RULES = Rules(SETTINGS, 1_795_420_800.0)
NUMBERS = ["1", "-0.5", "+.5", "1.", "1e5", "1E-5", " 5 ", "5\n", "007", "12.50", "9" * 400]
NO_NUMBERS = [
    "1_000",
    "12_34",
    "\uff11\uff12",
    "\u0663",
    "0x10",
    "1,5",
    "5%",
    "1d",
    "--1",
    "e5",
    ".",
    "",
    " ",
    "1 2",
    "½",
    "infin",
]
TEXTS = st.text("0123456789_+-. eEinfaINFtyx,\n\uff11\u0663", max_size=8) | st.sampled_from(
    [*NUMBERS, *NO_NUMBERS]
)


@pytest.mark.parametrize("text", NUMBERS)
def test_these_are_numbers(text: str) -> None:
    assert number_in(text) == float(text)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_these_are_not(text: str) -> None:
    assert number_in(text) is None
    assert numbers(pa.array([text])).unreadable.tolist() == [True]


@given(TEXTS)
def test_what_is_a_number_is_the_one_that_python_reads(text: str) -> None:
    found = number_in(text)
    assert found is None or found == float(text) or math.isnan(float(text))


def taken(body: bytes, kind: str) -> object:
    found = parse.read(RecordKind.PREDICTIONS, body, kind, RULES, FastDecoders(SETTINGS))
    rows = [row for _, part in assemble([found], RecordKind.PREDICTIONS) for row in part.to_pylist()]
    return rows[0].get("cost") if rows else "rejected"


@settings(max_examples=examples(100))
@given(TEXTS)
@example("1_000")
@example("\uff11\uff12")
@example("nan")
def test_law_json_and_arrow_take_the_same_texts_as_numbers(text: str) -> None:
    record = {"client": "a", "model": "m", "id": "1", "prediction": "ok", "cost": text}
    table = pa.Table.from_pylist([record])
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    expected = number_in(text)
    by_json, by_arrow = (
        taken(json.dumps(record).encode(), "application/json"),
        taken(sink.getvalue(), CONTENT_TYPE),
    )
    assert by_json == by_arrow
    if expected is None or math.isinf(expected):
        assert by_json == "rejected"
    else:
        assert by_json == (None if math.isnan(expected) else expected)
