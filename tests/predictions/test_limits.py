"""What a sender can make of its right to send: memory and answers stay small whatever a request holds."""

import json
import resource

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.errors import InputError, TooLargeError
from monitor.predictions.intake import parse
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import MAX_VALUES, RecordKind
from monitor.predictions.intake.requests import Most, portion
from monitor.predictions.intake.schema import Rules
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.store import quarantine
from tests.support.log import NOW, outcome, prediction, running, send
from tests.support.thorough import examples

RULES = Rules(PredictionSettings(), NOW)
USUAL = {"client": "acme", "model": "fraud", "prediction": 1}


def read(body, kind=RecordKind.PREDICTIONS, shapes=None, content_type=""):
    return parse.read(kind, body, content_type, RULES, shapes or FastDecoders(RULES.settings))


def wide(features):
    """Shapes that know a stream of so many features."""
    shapes = FastDecoders(RULES.settings)
    read(json.dumps({**USUAL, "features": {f"f{n}": 1.5 for n in range(features)}}).encode(), shapes=shapes)
    return shapes


def many(record, count):
    return b"[" + b",".join([json.dumps(record).encode()] * count) + b"]"


BOMBS = {
    "two million numbers": lambda: (b"[" + b"1," * 2_000_000 + b"1]", None),
    "ten million lists": lambda: (b"[" + b"[]," * 10_000_000 + b"[]]", None),
    "ten million objects in a feature": lambda: (
        b'{"client":"a","model":"b","prediction":1,"features":{"a":[' + b"{}," * 10_000_000 + b"{}]}}",
        None,
    ),
    "sixteen million lines": lambda: (b"1\n" * 16_000_000, None),
    "a wide stream and no values": lambda: (many({**USUAL, "features": {}}, 90_000), wide(2000)),
    "one wide record among many": lambda: (
        many({**USUAL, "features": {f"f{n}": 1 for n in range(1900)}}, 1)[:-1]
        + b","
        + many({**USUAL, "features": {"g": 1}}, 90_000)[1:],
        None,
    ),
    "a number of a million digits": lambda: (b"[" + b"1" * 1_000_000 + b"]", None),
    "100,000 brackets": lambda: (b"[" * 100_000 + b"]" * 100_000, None),
}


@pytest.mark.parametrize("kind", RecordKind)
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_body_that_would_fill_the_memory_is_refused(kind, bomb):
    body, shapes = bomb()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content_type in ("", "application/x-ndjson"):
        try:
            submission = read(body, kind, shapes, content_type)
        except InputError:
            continue
        assert submission.places <= MAX_VALUES
        assert len(submission.rejected) <= 100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 350_000, "kB"


def test_more_records_than_are_allowed_are_refused_as_a_whole():
    body = many(USUAL, RULES.settings.max_records + 1)
    for shapes in (None, wide(1)):
        with pytest.raises(TooLargeError, match="the body has 100,001 records"):
            read(body, shapes=shapes)


def test_refused_records_are_listed_up_to_a_hundred_and_all_of_them_counted(tmp_path):
    bad = [outcome(id=str(n), truth=1, timestamp="soon") for n in range(700)]
    bad += [outcome(truth=1) for _ in range(50)]
    with running(tmp_path) as (log, store):
        receipt = send(log, RecordKind.OUTCOMES, [*bad, outcome(id="good", truth=1)])
        assert (receipt.accepted, len(receipt.rejected), receipt.rejected_count) == (1, 100, 750)
        assert [one.index for one in receipt.rejected] == list(range(100))
        assert log.stats().rejected == {"invalid": 700, "incomplete": 50}
        with store.read() as connection:
            kept = quarantine.summary(connection, 0, NOW + 1)
        assert {one.reason: one.count for one in kept} == {"invalid": 700, "incomplete": 50}


def test_unknown_fields_are_listed_up_to_a_hundred_counted_and_not_kept_for_ever(tmp_path):
    with running(tmp_path) as (log, _):
        for request in range(15):
            records = [prediction(id=f"{request}-{n}", **{f"x{request}-{n}": 1}) for n in range(1000)]
            receipt = send(log, RecordKind.PREDICTIONS, records)
            assert (receipt.accepted, len(receipt.ignored), receipt.ignored_count) == (1000, 100, 1000)
        shape = log.decoders._by_stream[Stream("acme", "fraud")]
        assert len(shape.ignored) <= 100
        assert send(log, RecordKind.PREDICTIONS, [prediction(id="without")]).ignored == ()
        long = send(log, RecordKind.PREDICTIONS, [prediction(id="long", **{"y" * 100_000: 1, "\x1b[31m": 2})])
        assert [len(name) for name in long.ignored] == [8, 128]
        assert all(name.isprintable() for name in long.ignored)


def test_an_unknown_field_is_told_where_it_was_sent_and_nowhere_else():
    shapes = FastDecoders(RULES.settings)
    sent = [
        json.dumps([prediction(id="1", trace=None)]).encode(),
        json.dumps([prediction(id="2")]).encode(),
        json.dumps([prediction(id=str(n), **({"trace": 1} if n == 60 else {})) for n in range(90)]).encode(),
    ]
    for _ in range(2):
        assert [read(body, shapes=shapes).ignored for body in sent] == [{"trace"}, set(), {"trace"}]


def test_requests_of_a_wide_stream_are_stored_in_parts():
    shapes = wide(1999)
    some = [(read(many({**USUAL, "id": None, "features": {}}, 900), shapes=shapes), None) for _ in range(9)]
    parts, rest = [], some
    while rest:
        part, rest = portion(rest, shapes, Most(60.0, 200, 1.0), lambda: 0.0)
        parts.append(part)
    assert [one for part in parts for one in part] == some
    for part in parts:
        assert len(part) == 1 or sum(one.places for one, _ in part) <= MAX_VALUES


@pytest.mark.parametrize("fault", [ValueError("no"), OSError("no"), KeyError("no")])
def test_a_request_that_fails_in_reading_is_not_asked_for_again(tmp_path, monkeypatch, fault):
    """It would fail for ever: it is the sender's to look at, not to repeat."""
    from queue import Queue

    from monitor.predictions.intake.requests import RawRequest

    def failing(*_):
        raise fault

    with running(tmp_path) as (log, _):
        monkeypatch.setattr(parse, "read", failing)
        answers = Queue()
        log.submit([(RawRequest(RecordKind.PREDICTIONS, b"{}", "", log.rules(), "", None), answers.put)])
        log.submit([])
        answer = answers.get(timeout=300)
    assert isinstance(answer, InputError)
    assert "no" not in answer.message.split()


text = st.text(st.characters(exclude_categories=()), max_size=6)
fragments = st.sampled_from(
    [b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"\\u", b"\\ud800", b"NaN", b"-Infinity", b"1e999", b"null",
     b"\n", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"client"', b'"acme"', b'"model"', b'"fraud"',
     b'"prediction"', b'"features"', b'"id"', b"true", b"0", b"-", b"1" * 5000, b"[" * 2000]
)  # fmt: skip
bodies = st.one_of(
    st.binary(max_size=60),
    st.lists(fragments, max_size=25).map(b"".join),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
)
GOOD = json.dumps([prediction(id="1", features={"a": 1.0}), prediction(id="2")]).encode()


def tried(body, kind, shapes, content_type):
    try:
        submission = read(body, kind, shapes, content_type)
    except InputError as error:
        reason = error.message
    else:
        return submission
    assert reason
    reason.encode()
    return None


@settings(max_examples=examples(150))
@given(bodies, st.sampled_from(RecordKind), st.sampled_from(["", "application/x-ndjson"]))
@example(b"\xef\xbb\xbf[]", RecordKind.PREDICTIONS, "")
@example(b'[{"client": ' + b"[" * 900 + b"]" * 900 + b"}]", RecordKind.PREDICTIONS, "")
@example(b'{"client":"acme","model":"fraud","prediction":' + b"9" * 4000 + b"}", RecordKind.PREDICTIONS, "")
@example(b'{"client":"acme","model":"fraud","id":' + b"9" * 4000 + b',"truth":1}', RecordKind.OUTCOMES, "")
@example(b'[{"model": "\\ud800"}, NaN, {"client": 1e999}]', RecordKind.OUTCOMES, "")
def test_any_bytes_are_records_or_are_refused_with_a_reason_and_spoil_nothing(body, kind, content_type):
    shapes = wide(1)
    submission = tried(body, kind, shapes, content_type)
    for one in submission.rejected if submission else ():
        assert one.rejected.error.isprintable()
        f"{one.rejected.client}{one.rejected.model}{one.rejected.error}".encode()
    assert read(GOOD, shapes=shapes).accepted == 2


@settings(max_examples=examples(100))
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
def test_one_byte_that_is_another_is_read_or_refused(place, value, length):
    body = bytearray(GOOD)
    body[place] = value
    for sent in (bytes(body), bytes(body[:length])):
        shapes = wide(1)
        tried(sent, RecordKind.PREDICTIONS, shapes, "")
        assert read(GOOD, shapes=shapes).accepted == 2
