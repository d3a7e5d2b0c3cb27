"""What a request is known by: its content, and first of all the time that is written in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.predictions.intake.identity import identify
from monitor.predictions.intake.parse import RecordKind

TIMES = [
    "2026-11-24T01:10:00.120Z",
    "2026-11-24T01:10:00.130Z",
    "2026-11-24T01:10:01.000Z",
    "2026-11-25T00:00:00.000Z",
]


def key(body, name=""):
    return identify(RecordKind.PREDICTIONS, body, "acme", name).key


def record(timestamp, number=0):
    return json.dumps({"id": f"r{number}", "timestamp": timestamp, "prediction": "ok"}).encode()


@pytest.mark.parametrize(
    "times",
    [
        TIMES,
        [1764000000.123456, 1764000000.124, 1764000000.125789, 1764000001.5],
        [1764000000123, 1764000000124],
    ],
)
def test_keys_of_what_comes_one_after_the_other_lie_in_that_order(times):
    keys = [key(record(at, number)) for number, at in enumerate(times)]
    assert keys == sorted(keys)
    assert keys == [key(record(at, number)) for number, at in enumerate(times)]


def test_other_content_of_the_same_time_has_another_key():
    assert len({key(record(TIMES[0], number)) for number in range(100)}) == 100


def test_other_senders_and_other_kinds_have_other_keys():
    body = record(TIMES[0])
    one = identify(RecordKind.PREDICTIONS, body, "acme", "")
    assert one != identify(RecordKind.PREDICTIONS, body, "globex", "")
    assert one != identify(RecordKind.OUTCOMES, body, "acme", "")


def test_a_key_that_the_sender_names_has_nothing_to_do_with_the_content():
    assert key(record(TIMES[0]), "mine") == key(record(TIMES[1]), "mine") != key(record(TIMES[0]))


@given(st.text('0123456789.T:Z+-" ,}', max_size=60), st.binary(max_size=40))
def test_whatever_stands_for_a_time_gives_a_key(written, before):
    assert len(key(before + b'"timestamp": ' + written.encode())) == 16
