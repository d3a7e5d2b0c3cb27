"""The fast forms of searching and folding say what the slow ones say."""

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.signals.decodings import MAY_BE_DISGUISED
from monitor.signals.folding import _NOT_PLAIN, _plain, fold, spans_in
from monitor.signals.form.refusal import _REFUSAL
from monitor.signals.injection.phrases import IN_DOCUMENTS, IN_TURNS
from monitor.signals.matching import FEW, matches, matches_any, matches_each
from monitor.signals.personal_data.digit_runs import DigitRun, PersonalDatum, find
from monitor.signals.personal_data.kinds import KINDS
from tests.signals.test_laws import TEXT
from tests.support.thorough import examples

ODD = "gz- .\u200b\u0664\ufb00\u2026\uff14\ud800\u2014\u00e9\u6f22\ufe0f\U000e0100\u00bd"
ESCAPED = ("&#52;", "&commat;", "&nbsp;", "%34", "%40", r"\u0034", r"\u00e9", r"\n")
PATTERNS = (*(kind.prefilter for kind in KINDS), MAY_BE_DISGUISED, _REFUSAL, *IN_TURNS, *IN_DOCUMENTS)
WORDS = sorted(set(re.findall(r"[^\W\d_]{2,}", re.sub(r"\\.", " ", " ".join(PATTERNS)))))
SPOKEN = st.lists(st.sampled_from(WORDS) | TEXT, max_size=12).map(
    lambda words: " ".join(words).replace("\ud800", "")
)
"""Texts of the words that the expressions look for."""


@settings(max_examples=examples(10), deadline=None)
@given(st.lists(st.none() | TEXT.map(lambda text: text.replace("\ud800", "")), max_size=FEW))
def test_a_few_texts_match_as_many_do(texts: list[str | None]) -> None:
    few = pa.array(texts, pa.string())
    many = pa.array([*texts, *["nothing"] * 4_000])
    for pattern in PATTERNS:
        arrow = np.asarray(pc.fill_null(pc.match_substring_regex(few, pattern), False)).tolist()
        assert matches(few, pattern).tolist() == arrow == matches(many, pattern)[: len(texts)].tolist()


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.none() | SPOKEN, max_size=FEW), st.integers(1, len(PATTERNS)))
def test_expressions_together_match_what_each_matches(texts: list[str | None], count: int) -> None:
    column, patterns = pa.array(texts, pa.string()), PATTERNS[-count:]
    each = [
        np.asarray(pc.fill_null(pc.match_substring_regex(column, one), False)).tolist() for one in patterns
    ]
    assert matches_each(column, patterns).T.tolist() == each
    assert matches_any(column, patterns).tolist() == [any(row) for row in zip(*each, strict=True)]


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.sampled_from([*ODD, *ESCAPED]), max_size=10))
def test_folding_and_its_spans_are_those_of_each_character(pieces: list[str]) -> None:
    text = "".join(pieces)
    plain = [one if one < "\x80" and len(one) == 1 else _plain(one) for one in pieces]
    assert fold(text) == "".join(plain)
    starts = np.cumsum([0, *map(len, pieces)]).tolist()
    places = [(starts[at], starts[at + 1]) for at, one in enumerate(plain) for _ in one]
    span = spans_in(text)
    for start in range(len(places)):
        for end in range(start + 1, len(places) + 1):
            assert span(start, end) == (places[start][0], places[end - 1][1])


@pytest.mark.parametrize("inside", [True, False])
@settings(max_examples=examples(50), deadline=None)
@given(st.text("0123456789 -+(", max_size=60))
def test_windows_of_groups_are_those_of_a_plain_search(inside: bool, text: str) -> None:
    """Against all neighbouring groups, tried one by one; one in three sums of digits is taken to be one."""

    def may_be(shape: tuple[int, ...]) -> bool:
        return sum(shape) % 2 == 0 and len(shape) < 7

    def is_one(value: str) -> bool:
        return sum(map(int, value)) % 3 == 0

    expected = []
    for matched in re.finditer(r"[0-9](?:[ .\-/()+]{0,3}[0-9]){7,}", text):
        run = DigitRun(text, *matched.span())
        free = 0
        for first in range(len(run.groups)):
            start = run.groups[first][0]
            if first < free or not (inside or first == free or text[start - 1] in "+("):
                continue
            for end in range(len(run.groups), first, -1):
                value = "".join(text[a:b] for a, b in run.groups[first:end])
                is_window = end - first <= 8 or (first == 0 and end == len(run.groups))
                if is_window and len(value) <= 19 and may_be(run.lengths[first:end]) and is_one(value):
                    expected.append(PersonalDatum(start, run.groups[end - 1][1], value))
                    free = end
                    break
    assert list(find(text, may_be, lambda digits: is_one(digits.value), inside=inside)) == expected


def test_characters_that_are_left_alone_fold_to_themselves() -> None:
    """Alone, and after each other: what a column leaves out of normalisation must have none."""
    plain = [one for one in map(chr, range(0x110000)) if not "\ud800" <= one <= "\udfff"]
    is_plain = ~matches(pa.array(plain), _NOT_PLAIN)
    left = "".join(one for one, leave in zip(plain, is_plain.tolist(), strict=True) if leave)
    assert len(left) > 30_000
    assert fold(left) == left == unicodedata.normalize("NFKC", left)
    assert not any(map(unicodedata.combining, left))
    assert unicodedata.normalize("NFKC", "".join("a" + one for one in left)) == "".join(
        "a" + one for one in left
    )
