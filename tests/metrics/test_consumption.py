"""Tokens by user: a user that the baseline does not have is held against the largest one there."""

from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.calls import consumption
from monitor.records import Measurement, Window
from monitor.windows import baseline
from monitor.windows.kernel.count_rows import count
from tests.support.tables import STREAM

HOUR, EACH = 3600, 40
Spent = dict[str, float]


def table(users: Spent, segment: str = "user", seconds: int = HOUR) -> pa.Table:
    """`EACH` calls of each user over some seconds, with so many tokens a call, half of them read."""
    rows = [(user, tokens) for user, tokens in users.items() for _ in range(EACH)]
    times = [place * seconds * 1_000_000 // len(rows) for place in range(len(rows))]
    return pa.table(
        {
            "timestamp": pa.array(times, pa.int64()),
            f"segments.{segment}": pa.array([user for user, _ in rows]).dictionary_encode(),
            "features.input_tokens": [tokens / 2 for _, tokens in rows],
            "features.output_tokens": [tokens / 2 for _, tokens in rows],
        }
    )


def measured(usual: Spent, now: Spent, segment: str = "user") -> dict[tuple[str, str], Measurement]:
    """By metric and segment."""
    base = replace(baseline.from_table(STREAM, table(usual), 0.0), span=Window(0, HOUR))
    rows = table(now, segment).combine_chunks().to_batches()[0]
    subject = Subject(STREAM, Window(0, HOUR), count(rows, base.layout), base, MetricSettings())
    return {(one.metric, one.label("segment")): one for one in consumption.measure(subject)}


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 1000), min_size=1),
    st.dictionaries(st.sampled_from("abcdefxyz"), st.integers(1, 1000), min_size=1),
)
def test_a_new_user_is_held_against_the_largest_share_and_a_known_one_against_none(
    usual: Spent, now: Spent
) -> None:
    found = measured(usual, now)
    for user, tokens in now.items():
        share = found["token_share", f"user={user}"]
        assert share.value == pytest.approx(tokens / sum(now.values()))
        rate = found["token_rate", f"user={user}"]
        assert rate.value == pytest.approx(tokens * EACH / HOUR)
        assert rate.baseline is not None
        if user in usual:
            assert share.baseline is None
            assert rate.baseline == pytest.approx(usual[user] * EACH / HOUR)
        else:
            assert share.baseline == pytest.approx(max(usual.values()) / sum(usual.values()))
            assert rate.baseline == pytest.approx(max(usual.values()) * EACH / HOUR)


def test_another_notation_is_the_same_user_and_a_new_kind_of_segment_is_held_against_nothing() -> None:
    assert measured({"7": 5.0}, {" 7": 5.0})["token_share", "user= 7"].baseline is None
    found = measured({"a": 5.0}, {"k": 5.0}, "key")
    assert found["token_share", "key=k"].baseline is None
    assert found["token_rate", "key=k"].baseline is None
    assert found["token_rate", ""].baseline is not None


def test_a_name_with_an_equals_sign_is_not_taken_for_another() -> None:
    found = measured({"a": 4.0, "b": 6.0}, {"a=b": 10.0})
    assert found["token_share", "user=a=b"].baseline == pytest.approx(0.6)
