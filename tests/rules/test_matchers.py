"""What a matcher prints reads as the same matcher, whatever text stands in it."""

import json
import re
import time
from contextlib import suppress

import pytest
import re2
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.silencing import Silencer
from monitor.records import Silence
from monitor.rules.language.matchers import Matcher, parse
from monitor.runtime.faults import Faults
from monitor.store.migrations.versions import v0005_matchers
from tests.support.log import NOW

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
TEXTS = st.text() | st.text('"\\\n\r\t\0nx=~!{}, \u2028é😀')


@given(NAMES, st.sampled_from(["=", "!="]), TEXTS)
def test_what_is_printed_reads_as_the_same(name: str, operator: str, value: str) -> None:
    matcher = Matcher(name, operator, value)
    assert parse(str(matcher)) == matcher
    assert parse(f" {matcher} ") == matcher


@given(NAMES, st.sampled_from(["=~", "!~"]), TEXTS.map(re.escape) | st.just(r"\d+\.\\\""))
def test_so_does_a_regular_expression(name: str, operator: str, value: str) -> None:
    matcher = parse(str(Matcher(name, operator, value)))
    assert (matcher.name, matcher.operator, matcher.value) == (name, operator, value)
    assert parse(str(matcher)) == matcher


@given(TEXTS, TEXTS)
def test_an_escaped_text_matches_itself_and_no_other(value: str, other: str) -> None:
    matcher = parse(str(Matcher("x", "=~", re2.escape(value))))
    assert matcher.matches({"x": value})
    assert matcher.matches({"x": other}) == (value == other)


@pytest.mark.parametrize(
    "expression",
    ["(a+)+b", "(a|a)*b", "(a|aa)+$b", "(.*a){20}b", "(x+x+)+y|(a*)*b", "((a{0,50}){0,20})*b", ".*.*.*.*.*b"],
)
@pytest.mark.parametrize("text", ["a" * 512, "a" * 20_000, "x" * 20_000, "ä" * 10_000])
def test_no_expression_backtracks(expression: str, text: str) -> None:
    matcher = parse(f'x=~"{expression}"')
    began = time.thread_time()
    assert not matcher.matches({"x": text})
    assert time.thread_time() - began < 2.0


@pytest.mark.parametrize(
    ("expression", "word"),
    [("(?=a)b", "look-around"), ("a(?!b)", "look-around"), ("(?<=a)b", "look-around"), (r"(a)\1", "back-ref"),
     ("(?P<x>a)(?P=x)", "back-ref"), ("a{5000}", "repetition"), ("((((a{9}){9}){9}){9}){9}", "repetition"),
     (r"(\pL{9}\pL{9}){50}", "too large"), ("(", "missing )"), ("a**", ""), ("\ud800", "surrogate")],
)  # fmt: skip
def test_what_re2_does_not_know_is_refused_and_says_why(expression: str, word: str) -> None:
    with pytest.raises(ValueError, match="has a broken regular expression") as refused:
        parse(f'feature=~"{expression}"')
    assert word in str(refused.value)


def test_a_stored_silence_with_such_an_expression_is_set_aside_and_the_others_hold() -> None:
    faults = Faults()
    stored = ('model=~"(?=f)raud"', 'model=~"fr.*"')
    silences = [
        Silence(str(n), (one,), NOW - 60, NOW + 60, "a", f"reason {n}") for n, one in enumerate(stored)
    ]
    held = Silencer(silences, NOW, faults)
    assert [(fault.part, fault.subject) for fault in faults.active()] == [("silences", "0")]
    assert [silence.id for silence, _ in held._active] == ["1"]


@given(TEXTS)
def test_any_text_is_a_matcher_or_refused(text: str) -> None:
    for written in (text, f"a={text}", f'a="{text}"', f"a=~{text}", f'a=~"{text}"'):
        with suppress(ValueError):
            found = parse(written)
            assert parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'feature="a\"b"', 'a"b'),
        (r'path="C:\\temp"', r"C:\temp"),
        (r'path="C:\temp"', r"C:\temp"),
        (r'x="two\nlines"', "two\nlines"),
        (r"x=C:\temp", r"C:\temp"),
        ('x="two\nlines"', "two\nlines"),
        (r'x=~"\d+\.5"', r"\d+\.5"),
    ],
)
def test_escapes_are_those_of_prometheus(text: str, value: str) -> None:
    assert parse(text).value == value


@given(st.lists(TEXTS.map(lambda text: text.replace("\r", "")), min_size=1, max_size=3))
def test_silences_that_stood_unescaped_in_a_store_mean_what_they_meant(values: list[str]) -> None:
    as_before = json.dumps([f'feature="{value}"' for value in values])
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE silences (id TEXT, matchers TEXT)")
        for identity, stored in (("good", as_before), ("bad", "{"), ("odd", '[1, "x"]')):
            connection.exec_driver_sql("INSERT INTO silences VALUES (?, ?)", (identity, stored))
        with Operations.context(MigrationContext.configure(connection)):
            v0005_matchers.upgrade()
        rows = connection.exec_driver_sql("SELECT id, matchers FROM silences").all()
        found = dict(map(tuple, rows))
    engine.dispose()
    assert [parse(one).value for one in json.loads(found["good"])] == values
    assert (found["bad"], found["odd"]) == ("{", '[1, "x"]')
