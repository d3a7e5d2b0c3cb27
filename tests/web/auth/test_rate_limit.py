"""The limit of requests per address."""

import pytest

from monitor.web.auth.rate_limit import Limiter


def test_a_bucket_refills_evenly() -> None:
    limiter = Limiter(per_minute=60)
    assert [limiter.wait("x", 0.0) for _ in range(60)] == [0.0] * 60
    assert limiter.wait("x", 0.0) == pytest.approx(1.0)
    assert limiter.wait("y", 0.0) == 0.0
    assert limiter.wait("x", 1.0) == 0.0
    assert limiter.wait("x", 1.0) > 0
    assert limiter.wait("x", -5.0) > 0  # a clock that goes back gives nothing away


def test_of_too_many_addresses_those_are_forgotten_that_were_quiet_longest() -> None:
    limiter = Limiter(per_minute=1, most_addresses=100)
    for number in range(1000):  # all within a minute
        assert (
            limiter.wait("busy", number / 100) == 0.0
            if number == 0
            else limiter.wait("busy", number / 100) > 0
        )
        assert limiter.wait(f"10.0.0.{number}", number / 100) == 0.0
    assert len(limiter._buckets) == 100
