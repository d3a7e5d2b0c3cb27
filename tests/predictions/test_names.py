"""Any text may be the name of a feature, a field, a segment or a class, or is refused with its reason; and no name that
was taken once stands in the way of a later request.
"""

import json
import re
import unicodedata

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.predictions.intake import parse
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log.batching import assemble
from monitor.predictions.settings import PredictionSettings
from monitor.text_limits import flaw_of_name, flaw_of_text, storable
from monitor.visible import visible
from tests.support.log import NOW, prediction
from tests.support.thorough import examples

RULES = Rules(PredictionSettings(), NOW)
PLAIN = msgspec.json.encode([prediction(id="plain", features={"amount": 1.0})])

hostile = [
    'size "cm"',
    "C:\\path",
    "\x01",
    "\x00",
    "a\x00b",
    "\x7f",
    "\x85",
    "\u2028",
    "\u200f",
    "\ufeff",
    "\ud800",
    "\udc00\ud800",
    "\U0001f600",
    "class",
    "None",
    "f0",
    "ignored0",
    "Typed",
    "columns",
    "skipped",
    "__class__",
    "__struct_fields__",
    "__init__",
    "",
    " ",
    ".",
    "a.b",
    "é",
    unicodedata.normalize("NFD", "é"),
    "x" * 512,
    "x" * 513,
    "x" * 10_000,
    "\U0001f600" * 512,
    "'); drop table streams; --",
    "{{ name }}",
    "%s",
]
everything = st.text(st.characters(exclude_categories=()), max_size=8)
names = st.one_of(st.sampled_from(hostile), everything)
values = st.one_of(
    st.sampled_from(
        [1, 1.5, True, False, None, "", "text", "\x00", "\ud800", [], [1, 2.5], {"a": 1}, "x" * 600]
    ),
    st.floats(),
    st.integers(),
    everything,
)
groups = st.dictionaries(names, values, max_size=4)


def records(number, features, segments, probabilities, others):
    return {
        **others,
        **prediction(id=str(number), features=features, segments=segments, probabilities=probabilities),
    }


def read(body, shapes, content_type=""):
    """What a body comes to: rows as text, refusals and what was left out; or the reason why nothing could be read."""
    try:
        submission = parse.read(RecordKind.PREDICTIONS, body, content_type, RULES, shapes)
    except InputError as error:
        return error.message
    rows = [
        (str(stream), sorted((name, value) for name, value in row.items() if value is not None))
        for stream, batch in assemble([submission], RecordKind.PREDICTIONS)
        for row in batch.to_pylist()
    ]
    refused = [(one.reason, one.rejected.index, one.rejected.error) for one in submission.rejected]
    return str(sorted(rows, key=str)), refused, submission.ignored


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(groups, groups, groups, groups), min_size=1, max_size=3), st.booleans())
@example([(dict.fromkeys(hostile, 1.0), {}, {}, {})], True)
@example([({}, dict.fromkeys(hostile, "a"), {}, {})], False)
@example([({}, {}, dict.fromkeys(hostile, 0.5), {})], False)
@example([({}, {}, {}, dict.fromkeys(hostile, 1))], True)
@example([({name: 1.0}, {name: "a"}, {name: 0.5}, {name: None}) for name in hostile], True)
def test_whatever_the_names_the_fast_way_and_the_careful_way_come_to_the_same(some, is_ascii):
    sent = [records(number, *groups) for number, groups in enumerate(some)]
    body = json.dumps(sent, ensure_ascii=is_ascii).encode(errors="surrogatepass")
    lines = b"\n".join(json.dumps(one).encode() for one in sent)
    learnt = FastDecoders(RULES.settings)
    first = read(body, learnt)
    assert read(body, learnt) == first  # by the shape that it taught
    assert read(body, FastDecoders(RULES.settings)) == first  # record by record
    as_lines = read(lines, learnt, "application/x-ndjson")
    if is_ascii:
        assert as_lines == first
    for one in sent:  # each alone, and what is usual, afterwards
        read(json.dumps(one).encode(), learnt)
    plain = read(PLAIN, learnt)
    assert plain[1:] == ([], set())
    for reason in first[1] if isinstance(first, tuple) else ():
        assert reason[2].isprintable()
        reason[2].encode()


@given(names)
def test_a_name_that_is_taken_is_kept_as_it_was_sent(name):
    body = json.dumps([prediction(id="1", features={name: 1.0})]).encode()
    (found, refused, _) = read(body, FastDecoders(RULES.settings))
    if not name or len(name) > 512 or flaw_of_text(name):
        assert refused[0][0] == "invalid"
    else:
        assert not refused
        assert repr(f"features.{name}") in found


def test_a_stream_with_a_name_that_no_struct_has_is_still_read_fast_where_it_is_not_sent():
    shapes = FastDecoders(RULES.settings)
    read(json.dumps([prediction(id="1", features={"amount": 1.0, 'size "cm"': 2.0})]).encode(), shapes)
    submission = parse.read(RecordKind.PREDICTIONS, PLAIN, "", RULES, shapes)
    assert type(submission.parts[0].rows[0]).__name__ == "Typed"


def test_names_that_differ_in_their_normal_form_only_are_two():
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    body = json.dumps([prediction(id="1", features={composed: 1.0, decomposed: 2.0})]).encode()
    shapes = FastDecoders(RULES.settings)
    for _ in range(2):
        found, refused, _ = read(body, shapes)
        assert not refused
        assert composed in found
        assert decomposed in found


REFUSED = {
    "": "is empty",
    "x" * 129: "has 129 characters, more than 128",
    "a/b": "contains a slash",
    "a\\b": "contains a slash",
    "/": "contains a slash",
    ".": "is a path, not a name",
    "..": "is a path, not a name",
    " a": "begins or ends with a space, or contains two in a row",
    "a ": "begins or ends with a space, or contains two in a row",
    "a  b": "begins or ends with a space, or contains two in a row",
    "a\nb": "contains a character that cannot be seen",
    "a\u202eb": "contains a character that cannot be seen",
    "a\u200fb": "contains a character that cannot be seen",
    "a\u00a0b": "contains a character that cannot be seen",
    "fraud\ufe0f": "contains a character that cannot be seen",
    "\u3164": "contains a character that cannot be seen",
    "a\x1b[31mb": "contains a character that cannot be seen",
    "a\x00b": "contains a NUL character",
    "\ud800": "contains half of a surrogate pair",
}


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
@pytest.mark.parametrize("field", ["client", "model"])
@pytest.mark.parametrize("kind", RecordKind)
def test_a_client_and_a_model_have_names_that_can_stand_in_an_address(field, name, kind):
    assert flaw_of_name(name) == REFUSED[name]
    body = json.dumps([{**prediction(id="1", truth="ok"), field: name}]).encode()
    submission = parse.read(kind, body, "", RULES, FastDecoders(RULES.settings))
    (refusal,) = submission.rejected
    assert refusal.rejected.error == f"{field} {REFUSED[name] if name else 'is missing'}"
    for text in (refusal.rejected.client, refusal.rejected.model):
        assert text == storable(text)
        assert len(text) <= 128


def test_law_a_character_that_is_named_for_not_being_seen_is_in_no_name():
    unseen = re.compile(
        "HANGUL.* FILLER|VARIATION SELECTOR|PATTERN BLANK|GRAPHEME JOINER|VOWEL INHERENT|ZERO WIDTH"
    )
    found = [one for one in map(chr, range(0x110000)) if unseen.search(unicodedata.name(one, ""))]
    assert len(found) > 260
    assert [ascii(one) for one in found if not flaw_of_name(f"fraud{one}")] == []


@pytest.mark.parametrize(
    "name", ["a", "Müller GmbH & Co", "модель", "型番", "a.b-c_d:1@x", "x" * 128, "a b", "100%"]
)
def test_what_people_call_a_client_or_a_model_is_a_name(name):
    assert flaw_of_name(name) == ""
    body = json.dumps([{**prediction(id="1"), "client": name, "model": name}]).encode()
    for _ in range(2):
        submission = parse.read(RecordKind.PREDICTIONS, body, "", RULES, FastDecoders(RULES.settings))
        assert submission.accepted == 1


def test_nobody_can_be_the_daemon_itself():
    body = json.dumps([{**prediction(id="1"), "client": "watchkeeper"}]).encode()
    (refusal,) = parse.read(RecordKind.PREDICTIONS, body, "", RULES, FastDecoders(RULES.settings)).rejected
    assert refusal.rejected.error == "client 'watchkeeper' is the daemon itself"


@given(everything)
def test_what_is_shown_can_be_seen_and_what_is_stored_can_be_stored(text):
    assert visible(text).isprintable()
    assert flaw_of_text(storable(text)) == ""
    storable(text).encode()
