"""Durations and sizes: what is read, what is refused, and that writing reads back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.sections import format_size, parse_size
from monitor.config.units import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h30m", 5400), ("7d", 604800), ("250ms", 0.25), ("1.5h", 5400)],
)
def test_a_duration_is_a_number_with_its_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("value", [24, "24", "24 hrs", "h", "", "5m ", "-5m", None, True, "1h and 3m"])
def test_anything_else_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(value)


@given(st.integers(min_value=0, max_value=10**9))
def test_a_written_duration_reads_back(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(min_value=0, max_value=10**13))
def test_a_written_size_reads_back(size: int) -> None:
    text = format_size(size)
    assert parse_size(int(text) if text.isdigit() else text) == size


@pytest.mark.parametrize("value", ["12 parsecs", "MB", True, None, 1.5])
def test_a_size_without_a_known_unit_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(value)
