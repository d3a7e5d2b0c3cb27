"""How deep JSON is nested, whatever its texts contain."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.predictions.intake.nested_json import DEEPEST, is_too_deep

TEXTS = st.text(st.sampled_from('[]{}"\\é,: \n'), max_size=6)
SHALLOW = st.recursive(
    st.none() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def depth_of(value: Any) -> int:
    """Objects and lists inside each other."""
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(depth_of, value.values() if isinstance(value, dict) else value), default=0)


@given(SHALLOW, TEXTS, st.integers(DEEPEST - 6, DEEPEST + 2), st.booleans())
def test_law_brackets_in_texts_are_no_depth(value: Any, text: str, around: int, in_objects: bool) -> None:
    for _ in range(around):
        value = {text: text, f"{text}x": value} if in_objects else [text, value, []]
    written = json.dumps(value, ensure_ascii=False).encode()
    assert is_too_deep(written) is (depth_of(value) > DEEPEST)


def test_many_short_lists_are_not_deep() -> None:
    assert not is_too_deep(json.dumps([[n, {"a": []}] for n in range(10_000)]).encode())


@pytest.mark.parametrize(
    "text", [b'"' + b'\\"' * 200_000, b'"' + b"a" * 400_000, b'"\\', b'{"a": "' * 200_000]
)
def test_texts_that_are_not_closed_take_time_in_proportion_to_their_length(text: bytes) -> None:
    began = time.process_time()
    assert is_too_deep(b"[" * DEEPEST + text) is (text[:1] == b"{")
    assert is_too_deep(b"[" * (DEEPEST + 1) + text)
    assert time.process_time() - began < 5
