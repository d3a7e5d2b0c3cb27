"""Numbers as clients read them."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.health.wording import count, number


@given(st.floats(0, 1e12, allow_subnormal=False))
def test_law_no_number_is_said_with_an_exponent_unless_it_is_tiny(value: float) -> None:
    assert "e+" not in count(value)
    assert "e+" not in number(value)
