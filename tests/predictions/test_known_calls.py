"""Calls that are read together: what becomes of them is what becomes of each when it is read by itself."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.predictions.intake import known_calls, parse
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.known_calls import read_together
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log.batching import assemble
from monitor.predictions.settings import PredictionSettings
from monitor.sources.otlp import protobuf
from monitor.sources.otlp.calls import calls_of
from monitor.sources.otlp.span import Span
from tests.sources.otlp.test_genai import RECORDED_AT, RECORDINGS
from tests.support import otlp
from tests.support.log import NOW
from tests.support.otlp import CALL
from tests.support.thorough import examples

SETTINGS = PredictionSettings(max_label=64, max_text=400)
COPIES = 20
MESSAGES = '[{"role": "user", "parts": [{"type": "text", "content": "How long?"}]}]'


def by_themselves(records, rules, decoders=None):
    """What becomes of records when they are read one by one."""
    return parse.check(RecordKind.PREDICTIONS, records, 0, rules, decoders or FastDecoders(SETTINGS))


def rows(parsed):
    """The rows of a request in order of their ids, without what has no value, and the types of their columns."""
    found, types = [], {}
    for stream, columns in assemble([parsed], RecordKind.PREDICTIONS):
        known = [
            {name: value for name, value in row.items() if value is not None} for row in columns.to_pylist()
        ]
        found += [(str(stream), row["id"], row) for row in known]
        types |= {(str(stream), field.name): str(field.type) for field in columns.schema}
    return sorted(found, key=lambda one: one[:2]), types


def copies(records, count=COPIES):
    """Each record so many times, with ids of their own."""
    return [{**record, "id": f"{record['id']}-{number}"} for number in range(count) for record in records]


def learned(records, rules):
    """The decoders of the streams of these records."""
    decoders = FastDecoders(SETTINGS)
    by_themselves(records, rules, decoders)
    return decoders


def read_as_columns(parsed: ParsedRequest) -> int:
    return sum(len(part.times) for part in parsed.parts if not isinstance(part.rows, list))


@pytest.mark.parametrize("name", RECORDINGS)
def test_what_instrumentations_send_is_read_together_as_by_itself(name):
    body = (otlp.RECORDED / f"{name}.pb").read_bytes()
    rules = Rules(SETTINGS, RECORDED_AT, "acme")
    records = copies(calls_of(protobuf.spans(body), body, rules).records)
    together = read_together(records, 0, rules, learned(records, rules))
    assert rows(together) == rows(by_themselves(records, rules))
    assert read_as_columns(together) == len(records) == 3 * COPIES


HOSTILE = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["\0", "\ud800", "x" * 65, "x" * 401, "1e400", "nan", "-1", "TRUE", "[]", "{", "[" * 99]),
    st.sampled_from([math.nan, math.inf, -1.0, 0, 10**400, -(10**20), 2**60 + 1, True, None, [], {}]),
    st.recursive(
        st.none() | st.text(max_size=4) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    ),
)
NAMES = (
    *CALL,
    *(
        "gen_ai.response.id",
        "gen_ai.system",
        "gen_ai.request.temperature",
        "gen_ai.request.stream",
        "error.type",
    ),
    *("gen_ai.request.max_tokens", "gen_ai.usage.cost", "gen_ai.input.messages", "gen_ai.output.messages"),
    *("gen_ai.system_instructions", "gen_ai.output.type", "watchkeeper.context", "watchkeeper.environment"),
    *("watchkeeper.model", "watchkeeper.client", "output.value", "llm.invocation_parameters", "request_data"),
    *("gen_ai.prompt.0.content", "gen_ai.prompt.0.role", "retrieval.documents.0.document.content"),
)
SPANS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(NAMES), HOSTILE, max_size=5),
        st.sampled_from([(NOW, NOW + 1), (NOW, 0), (0, 0), (NOW - 9e8, NOW), (NOW + 9e8, NOW)]),
        st.booleans(),
    ),
    max_size=6,
)


def spans_of(made):
    """Usual calls, and after them those with other attributes."""
    usual = {**CALL, "gen_ai.input.messages": MESSAGES, "gen_ai.usage.cost": 0.01}
    whole = [(usual, (NOW, NOW + 0.25), False)] * COPIES
    whole += [({**usual, **attributes}, times, failed) for attributes, times, failed in made]
    return [
        Span(
            number.to_bytes(16, "big"),
            number.to_bytes(8, "big"),
            b"",
            "chat",
            int(start * 1e9),
            int(end * 1e9),
            attributes,
            {"service.name": "support-bot", "watchkeeper.client": "acme"},
            failed=failed,
        )
        for number, (attributes, (start, end), failed) in enumerate(whole, 1)
    ]


@given(SPANS, st.sampled_from(["", "acme"]), st.sampled_from([None, frozenset(("acme",))]))
@settings(max_examples=examples(60), deadline=None)
def test_hostile_spans_are_read_together_as_by_themselves(made, client, clients):
    rules = Rules(SETTINGS, NOW, client, clients)
    records = calls_of(spans_of(made), b"", rules).records
    expected = by_themselves(records, rules)
    together = read_together(records, 0, rules, learned(records, rules))
    if expected.rejected:
        assert together is None
    else:
        assert rows(together)[0] == rows(expected)[0]
        assert read_as_columns(together) or made


# what a record of a call may have beside the usual, and whether it is read with the others
OTHERS = [
    ({"texts": {"input": "a\0b", "output": "\ud800"}}, True),
    ({"texts": {"context": ["a\0", ""], "tool_results": []}}, True),
    ({"texts": {"input": "x" * 401}}, False),
    ({"texts": {"context": ["x"] * 101}}, False),
    ({"texts": {"input": None}, "finish_reason": ""}, True),
    ({"texts": None, "finish_reason": None, "json_asked": None}, True),
    ({"json_asked": True}, True),
    ({"environment": None}, True),
    ({"version": None, "features": None, "segments": None}, True),
    ({"features": {"input_tokens": 2**60 + 1}}, True),
    ({"features": {"input_tokens": "many"}}, False),
    ({"features": {"another": 1.0}}, False),
    ({"prediction": 1.5}, False),
    ({"prediction": None, "error": "Timeout"}, True),
    ({"cost": math.nan}, False),
    ({"usage": {"input_tokens": 4}}, False),
    ({"more": 1}, False),
]


@pytest.mark.parametrize(("more", "is_known"), OTHERS, ids=lambda one: str(one)[:40])
def test_what_a_decoder_does_not_know_is_read_by_itself(more, is_known):
    rules = Rules(SETTINGS, NOW, "acme")
    usual = calls_of(spans_of([]), b"", rules).records
    records = [*usual, {**usual[0], "id": "other", **more}]
    together = read_together(records, 0, rules, learned(usual, rules))
    expected = by_themselves(records, rules)
    assert rows(together)[0] == rows(expected)[0]
    assert together.ignored == expected.ignored
    assert read_as_columns(together) == COPIES + is_known


REFUSED = [
    {"prediction": None, "finish_reason": None},
    {"version": "a\0"},
    {"prediction": "\ud800"},
    {"features": {"requested_model": "\0"}},
    {"segments": {"provider": "\0"}},
    {"finish_reason": "x" * 65},
    {"timestamp": 0},
    {"timestamp": int((NOW + 1e6) * 1e6)},
    {"latency_ms": -1.0},
    {"latency_ms": math.inf},
    {"latency_ms": math.nan},
    {"client": "globex"},
    {"client": "daemon"},
    {"model": "other"},
    {"environment": "nowhere"},
    {"id": "1".zfill(16)},
]


@pytest.mark.parametrize("more", REFUSED, ids=str)
def test_nothing_is_read_together_with_what_is_refused(more):
    rules = Rules(SETTINGS, NOW, "acme", models=("support-bot",))
    usual = calls_of(spans_of([]), b"", rules).records
    records = [*usual, {**usual[0], "id": "other", **more}]
    assert by_themselves(records, rules).rejected
    assert read_together(records, 0, rules, learned(usual, rules)) is None


def test_a_call_that_may_not_be_read_is_no_record():
    rules = Rules(SETTINGS, NOW, "acme")
    usual = calls_of(spans_of([]), b"", rules).records
    assert read_together([*usual, "no record"], 0, rules, learned(usual, rules)) is None


def test_few_calls_are_read_by_themselves():
    rules = Rules(SETTINGS, NOW, "acme")
    usual = calls_of(spans_of([]), b"", rules).records[: known_calls._FEW - 1]
    together = read_together(usual, 0, rules, learned(usual, rules))
    assert read_as_columns(together) == 0
    assert rows(together) == rows(by_themselves(usual, rules))
