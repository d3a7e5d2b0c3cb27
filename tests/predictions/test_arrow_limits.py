"""Arrow requests that are large in memory or damaged are refused."""

import resource

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.errors import InputError, TooLargeError
from monitor.predictions.intake.arrow import CONTENT_TYPE
from monitor.predictions.intake.bodies import ReadApartError
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.requests import MOST_OBJECTS, RawRequest
from tests.support.arrow_requests import RULES, batch, read, rows_of, stream, tried
from tests.support.log import NOW
from tests.support.thorough import examples


def nulls(rows, columns=1):
    return batch(
        {"id": pa.nulls(rows), **{f"features.c{number}": pa.nulls(rows) for number in range(columns - 1)}}
    )


def repeated(text, rows, kind=None):
    entries = pa.array([text], kind)
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), entries)


def aliased(length, rows):
    """A view of one text that stands in each row."""
    one = pa.array(["x" * length], pa.string_view())
    views = pa.py_buffer(one.buffers()[1].to_pybytes()[:16] * rows)
    return pa.Array.from_buffers(pa.string_view(), rows, [None, views, *one.buffers()[2:]])


BOMBS = {
    "20 million rows of nothing": lambda: stream(nulls(20_000_000)),
    "many batches of nothing": lambda: stream(*[nulls(50_000)] * 400),
    "10,000 columns of nothing": lambda: stream(nulls(100_000, 10_000)),
    "a list of 2 billion nothings": lambda: stream(
        batch({"features.a": pa.FixedSizeListArray.from_arrays(pa.nulls(2_000_000_000), 1_000_000_000)})
    ),
    "a long text in each row": lambda: stream(batch({"id": repeated("x" * 1_000_000, 90_000)})),
    "a long feature in each row": lambda: stream(batch({"features.a": repeated("x" * 60_000, 90_000)})),
    "long bytes in each row": lambda: stream(
        batch({"confidence": repeated(b"x" * 1_000_000, 90_000, pa.binary(1_000_000))})
    ),
    "a long list in each row": lambda: stream(batch({"features.a": repeated([1.0] * 100_000, 90_000)})),
    "a view of a long text in each row": lambda: stream(batch({"id": aliased(1_000_000, 90_000)})),
    "a long run": lambda: stream(
        batch(
            {
                "id": pa.RunEndEncodedArray.from_arrays(
                    pa.array([90_000], pa.int32()), pa.array(["x" * 1_000_000])
                )
            }
        )
    ),
    "a run of nothing": lambda: stream(
        batch({"id": pa.RunEndEncodedArray.from_arrays(pa.array([2**31 - 1], pa.int32()), pa.nulls(1))})
    ),
    "zstd": lambda: stream(batch({"id": pa.array(np.zeros(1000))}), compression="zstd"),
}


@pytest.mark.parametrize("kind", RecordKind)
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_what_is_small_on_the_wire_and_large_in_memory_is_refused_before_it_is_unpacked(kind, bomb):
    body = bomb()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError) as refused:
        read(kind, body)
    assert isinstance(refused.value, TooLargeError) or "compressed" in refused.value.message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "kB"


WHOLE = stream(
    batch(
        {
            "id": ["a", "b"],
            "timestamp": pa.array([NOW, NOW]),
            "prediction": pa.array(["x", "y"]).dictionary_encode(),
            "truth": pa.array(["x", "y"], pa.string_view()),
            "features.list": pa.array([[1.0], None]),
            "features.struct": pa.array([{"a": 1}, None]),
            "features.runs": pa.compute.run_end_encode(pa.array([1, 1])),
            "features.text": pa.array(["x", None], pa.large_string()),
        }
    )
)


@settings(max_examples=examples(150))
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(WHOLE)),
    st.sampled_from(RecordKind),
)
@example([], 0, RecordKind.OUTCOMES)
@example([(4, 255), (5, 255), (6, 255), (7, 127)], len(WHOLE), RecordKind.PREDICTIONS)
def test_a_damaged_stream_is_refused_or_read_and_never_anything_else(flips, length, kind):
    body = bytearray(WHOLE)
    for place, value in flips:
        body[place] = value
    for sent in (bytes(body), bytes(body[:length])):
        submission = tried(kind, sent)
        if submission is not None:
            rows_of(submission)
            assert all(one.rejected.error.isprintable() for one in submission.rejected)


def test_many_rows_that_need_a_closer_look_are_left_to_a_reader_of_its_own():
    """A column of nulls takes no bytes, and each of its rows would be parsed alone in the writer's thread."""
    nothing = pa.nulls(MOST_OBJECTS + 1)
    body = stream(pa.record_batch({"model": nothing, "prediction": nothing}))
    request = RawRequest(RecordKind.PREDICTIONS, body, CONTENT_TYPE, RULES, "", None)
    assert isinstance(request.parsed(FastDecoders(RULES.settings), MOST_OBJECTS), ReadApartError)
    assert request.parsed(FastDecoders(RULES.settings), MOST_OBJECTS + 1).rejected_count == MOST_OBJECTS + 1
    assert request.parsed(FastDecoders(RULES.settings)).rejected_count == MOST_OBJECTS + 1
