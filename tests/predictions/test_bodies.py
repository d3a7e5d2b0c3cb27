"""Bodies that do not hold what they should: what the sender is told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.predictions.intake.bodies import records
from monitor.predictions.intake.validation import RecordError

RECORDS = [{"id": f"r{number}", "features": {"a": [1, 2], "b": "x, [y"}} for number in range(4)]


def ends(count):
    """Where each record ends in the array of so many."""
    return [len(json.dumps(RECORDS[: number + 1])) - 1 for number in range(count)]


@given(st.integers(1, len(json.dumps(RECORDS)) - 1))
def test_a_body_that_ended_early_says_in_which_record_and_where(at):
    whole = json.dumps(RECORDS).encode()
    with pytest.raises(InputError) as told:
        records(whole[:at])
    number = sum(end <= at for end in ends(len(RECORDS)))
    assert told.value.message == f"the body ended in the middle of record {number}, after {at:,} bytes"
    assert told.value.hint == "send the complete body again: nothing was stored"


def test_a_very_long_one_says_where_it_ended():
    body = b"[" + b'{"id": "1"},' * 200_000
    with pytest.raises(InputError, match="in the middle of a record, after 2,400,001 bytes"):
        records(body)


def test_a_line_that_ended_early_is_refused_alone():
    first, second = records(b'{"id": 1}\n{"id": 2, "predic')
    assert first == {"id": 1}
    assert isinstance(second, RecordError)
    assert second.message == "the line ended in the middle of a record, after 17 bytes"


def test_one_record_over_several_lines_that_ended_early_is_one_record():
    with pytest.raises(InputError, match="the body ended in the middle of a record"):
        records(json.dumps(RECORDS[0], indent=1).encode()[:-3])


MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("kind", ["", "application/x-ndjson"])
@pytest.mark.parametrize(
    "body", [MARK + b'{"id": 1}', MARK + b'{"id": 1}\r\n{"id": 2}\r\n', b'{"id": 1}\n' + MARK + b'{"id": 2}']
)
def test_the_mark_that_windows_writes_before_utf_8_takes_no_record(body, kind):
    assert records(body, kind) == [{"id": number} for number in range(1, body.count(b"id") + 1)]


@given(
    st.lists(
        st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5)), min_size=2, max_size=5
    ),
    st.sampled_from(["", " ", "\t "]),
)
def test_law_objects_without_a_line_break_between_them_are_the_same_as_one_a_line(objects, between):
    lines = [json.dumps(one, ensure_ascii=False) for one in objects]
    glued = records(between.join(lines).encode(), "application/x-ndjson")
    assert glued == records("\n".join(lines).encode(), "application/x-ndjson") == objects


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\0\0\0\0\x07\x02a", "Confluent"),
        (b"Obj\x01\x04", "Avro"),
        ('{"id": 1}'.encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"PAR1\x15", "Parquet"),
    ],
)
def test_a_body_that_is_something_else_is_told_what_it_is(body, words):
    with pytest.raises(InputError) as told:
        records(body)
    assert words in told.value.hint


def test_what_follows_glued_objects_and_is_none_is_refused_alone():
    for rest in (b'{"id": 3, "pre', b"{broken}", b"\xff"):
        first, second, error = records(b'{"id": 1}{"id": 2}' + rest, "application/x-ndjson")
        assert (first, second) == ({"id": 1}, {"id": 2})
        assert isinstance(error, RecordError)
    (error,) = records(b'{"id": 1, "a": "}{"} x', "application/x-ndjson")[1:]
    assert "goes on" in error.message or "malformed" in error.message
    with pytest.raises(InputError, match="more than 2"):
        records(b'{"id": 1}{"id": 2}{"id": 3}', "application/x-ndjson", most=2)
