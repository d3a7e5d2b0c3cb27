"""Tokens, times and money: what cannot be is not measured."""

import pytest

from monitor.signals.calls import Prices, Registered
from tests.signals.measuring import value


@pytest.mark.parametrize("odd", [None, -1.0, float("nan"), float("inf")])
def test_what_is_no_amount_is_not_measured(odd: float | None) -> None:
    prices = Registered(prices=Prices(1.0, 2.0))
    assert value("input_tokens", input_tokens=odd) is None
    assert value("cost", prices, input_tokens=odd, output_tokens=1.0) is None
    assert value("time_per_output_token", output_tokens=5.0, ttft_ms=odd, latency_ms=10.0) is None
    assert value("cached_share", input_tokens=0.0, cached_tokens=odd) is None


def test_time_per_output_token_is_that_of_the_tokens_after_the_first() -> None:
    assert value("time_per_output_token", output_tokens=11.0, ttft_ms=200.0, latency_ms=700.0) == 50.0
    assert value("time_per_output_token", output_tokens=1.0, ttft_ms=200.0, latency_ms=700.0) is None
    assert value("time_per_output_token", output_tokens=5.0, ttft_ms=800.0, latency_ms=700.0) is None


def test_cost_counts_cached_tokens_at_their_price() -> None:
    call = {"input_tokens": 1000.0, "output_tokens": 100.0, "cached_tokens": 400.0}
    assert value("cost", Registered(prices=Prices(3.0, 15.0, 0.3)), **call) == pytest.approx(
        (600 * 3 + 400 * 0.3 + 100 * 15) / 1e6
    )
    assert value("cost", Registered(prices=Prices(3.0, 15.0)), **call) == pytest.approx((3000 + 1500) / 1e6)
    assert value("cost", **call) is None
    assert value("cached_share", **call) == 0.4
