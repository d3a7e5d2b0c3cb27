"""The sentence about the answers of a language model, for people who know no signal."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.health.answers import (
    LEAK_RULES,
    LEAKS,
    OFF_TOPIC,
    REFUSAL,
    UNSUPPORTED,
    SignalRate,
    of_hour,
    of_measurements,
    sentence,
)
from monitor.records import Better, Measurement, Stream, Window, labels

RULES = Path(__file__).parents[2] / "rules"
NAMES = (REFUSAL, OFF_TOPIC, *UNSUPPORTED, *LEAKS, "cut_answer")
rates = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(SignalRate, st.floats(0, 1), st.integers(0, 500), st.none() | st.floats(0, 1)),
)


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({}, ""),
        ({REFUSAL: SignalRate(0.5, 3)}, ""),
        (
            {REFUSAL: SignalRate(0.02, 100, 0.01), "secret_leak": SignalRate(0, 100)},
            "Of the answers of the last hour, 2 % declined to answer (usually 1 %), and none was found to leak "
            "data.",
        ),
        (
            {
                UNSUPPORTED[0]: SignalRate(0.3, 100, 0.05),
                UNSUPPORTED[1]: SignalRate(0.1, 100),
                OFF_TOPIC: SignalRate(0, 100),
            },
            "Of the answers of the last hour, none had little to do with their sources, and 30 % had numbers, dates or "
            "names that are not in their sources (usually 5 %).",
        ),
        (
            {"identifier_leak": SignalRate(0.0004, 5000)},
            "Of the answers of the last hour, less than 0.1 % leaked data.",
        ),
    ],
)
def test_the_sentence_says_what_a_client_understands(known: dict[str, SignalRate], told: str) -> None:
    assert sentence(known, "of the last hour") == told


@given(rates)
def test_no_name_of_a_signal_is_in_it_and_a_leak_is_never_kept_from_a_client(
    known: dict[str, SignalRate],
) -> None:
    told = sentence(known, "of the last hour")
    assert not re.search("|".join(NAMES[1:]), told)
    if any(known[name].value and known[name].n for name in LEAKS if name in known):
        assert "leaked data" in told
    assert "none was found" not in told or "leaked" not in told


def test_rates_are_those_of_all_calls() -> None:
    def one(value: float | None, **more: str) -> Measurement:
        where = labels(signal=REFUSAL, **more)
        return Measurement(
            Stream("a", "b"), Window(0, 60), "signal_rate", value, "share", Better.LOWER, 50, where
        )

    assert of_measurements([one(0.2), one(0.9, version="7"), one(None)]) == {REFUSAL: SignalRate(0.2, 50)}


def test_while_an_alert_says_that_answers_leak_none_is_said_not_to() -> None:
    """An alert is of the last minutes; the rates may be older."""
    known = {REFUSAL: SignalRate(0.02, 100), "secret_leak": SignalRate(0, 100)}
    assert (
        sentence(known, "since 14:00", is_leaking=True)
        == "Of the answers since 14:00, 2 % declined to answer."
    )
    found = known | {"secret_leak": SignalRate(0.5, 100)}
    assert sentence(found, "since 14:00", is_leaking=True) == sentence(found, "since 14:00")
    assert sentence({"secret_leak": SignalRate(0, 100)}, "since 14:00", is_leaking=True) == ""


def test_an_hour_that_goes_on_is_measured_since_its_start() -> None:
    hour = Window(3600, 7200)
    assert of_hour(hour, 7199, str) == "since 3600"
    assert of_hour(hour, 7200, str) == "of the hour until 7200"


def test_the_rules_on_leaks_are_those_that_are_shipped() -> None:
    """Each critical rule on a signal that the sentence calls a leak."""
    pack = yaml.safe_load((RULES / "answers.yaml").read_text())
    critical = [one for one in pack["groups"] if one["labels"].get("breach") == "leak"]
    assert [rule["alert"] for one in critical for rule in one["rules"]] == [*LEAK_RULES]
