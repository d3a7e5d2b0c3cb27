"""Support of an answer: its words, numbers, dates and names in what the model was given."""

import math
from decimal import Decimal
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.signals.support.dates import dates_in
from monitor.signals.support.numbers import readings
from tests.signals.measuring import value
from tests.support.thorough import examples

CONTEXT = ["Acme Corp earned 1,234,567 dollars in 2020, said Jane Miller in Boston on 12 May 2021."]
QUESTION = "How much did Acme earn?"


def supported(signal: str, answer: str, context: list[str] | None = CONTEXT) -> bool | float | None:
    found: bool | float | None = value(signal, input=QUESTION, context=context, output=answer)
    return found


def test_word_support_is_the_share_of_content_words() -> None:
    answer = "The Acme corporation earned dollars; elephants trumpet."
    assert supported("word_support", answer) == pytest.approx(
        3 / 6
    )  # "corporation" begins with other five letters than "corp"
    assert supported("word_support", "elephants trumpet loudly everywhere") == 0.0
    assert supported("off_topic", "elephants trumpet loudly everywhere") is True
    assert supported("off_topic", answer) is False


def test_support_is_not_measured_without_context_or_words_or_across_languages() -> None:
    assert supported("word_support", "Acme earned dollars", None) is None
    assert supported("word_support", "Acme earned dollars", []) is None
    assert supported("word_support", "Yes.") is None
    german = ["Das Wetter ist kalt, weil der Wind von Norden kommt und es in der Nacht nicht wärmer wird."]
    assert supported("off_topic", "The weather is cold because the wind comes from the north", german) is None


@pytest.mark.parametrize(
    ("signal", "claim"),
    [
        ("word_support", "elephants trumpet loudly everywhere"),
        ("off_topic", "elephants trumpet loudly everywhere"),
        ("unsupported_numbers", "It earned 77 dollars"),
        ("unsupported_dates", "It was on 13 June 1999"),
        ("unsupported_names", "It was in Chicago"),
    ],
)
@pytest.mark.parametrize(
    "refusal",
    [
        "I'm sorry, but I can't help with that request.",
        "Es tut mir leid, dazu kann ich nichts sagen und nicht helfen.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Lo siento, no puedo ayudar con eso.",
    ],
)
def test_an_answer_that_refuses_claims_nothing_that_could_be_supported(
    signal: str, claim: str, refusal: str
) -> None:
    assert supported(signal, claim) in (True, 0.0)
    assert supported(signal, f"{refusal} {claim}") is None


@pytest.mark.parametrize(
    ("answer", "is_unsupported"),
    [
        ("It earned 1,234,567 dollars", False),
        ("It earned 1.234.567 dollars", False),
        ("It earned 1234567 dollars in 2020", False),
        ("It earned 1.2 million dollars", False),
        ("It earned 1.23 million dollars", False),
        ("It earned 1.3 million dollars", True),
        ("It earned 1,234,568 dollars", True),
        ("In 2019 it earned less", True),
        ("1. It earned much\n2. in Boston", None),
        ("It earned much", None),
        ("It has 1 owner", False),
    ],
)
def test_numbers_in_other_notations_and_rounded_are_supported(
    answer: str, is_unsupported: bool | None
) -> None:
    assert supported("unsupported_numbers", answer) is is_unsupported


def test_a_number_may_be_written_as_a_word_in_the_context() -> None:
    assert (
        supported("unsupported_numbers", "There are 4 banks.", ["There are four banks in the town."]) is False
    )


def test_a_number_is_read_with_a_point_and_a_comma_both_ways() -> None:
    assert readings("1.234") == ["1.234", "1234"]
    assert readings("1,50") == ["1.5", "150"]
    assert readings("1.234,50") == ["1234.5", "123450"]
    assert readings("007") == ["7"]


@pytest.mark.parametrize(
    ("answer", "is_unsupported"),
    [
        ("on May 12, 2021", False),
        ("on 12.05.2021", False),
        ("on 2021-05-12", False),
        ("on 5/12/2021", False),
        ("in May 2021", False),
        ("am 12. Mai 2021", False),
        ("le 12 mai 2021", False),
        ("el 12 de mayo de 2021", False),
        ("on 13 May", True),
        ("in June 2021", True),
        ("on 12 May 2020", True),
        ("some day", None),
    ],
)
def test_dates_agree_in_any_notation(answer: str, is_unsupported: bool | None) -> None:
    assert supported("unsupported_dates", f"It was said {answer} there") is is_unsupported


def test_what_is_no_date_is_none() -> None:
    assert dates_in("99.99.2021, 1/2, May and 40 May, v1.2.3") == []


def test_names_inside_sentences_have_to_be_known() -> None:
    assert supported("unsupported_names", "It was Jane Miller. Then the Bostonians came.") is False
    assert supported("unsupported_names", "It was John who said so") is True
    assert supported("unsupported_names", "Later it was said") is None
    german = "Das ist nicht der Grund, und die Bank hat es auch nicht so gesagt, wie wir es von ihr kennen."
    assert supported("unsupported_names", german) is None


def test_agreement_is_the_mean_jaccard_index_of_all_pairs() -> None:
    texts = ["Paris lies on the Seine", "Paris lies on the Rhine", "Berlin lies near water"]
    bags = [{"paris", "lies", "seine"}, {"paris", "lies", "rhine"}, {"berli", "lies", "near", "water"}]
    expected = [len(a & b) / len(a | b) for a, b in combinations(bags, 2)]
    assert value("sample_agreement", output=texts[0], samples=texts[1:]) == pytest.approx(sum(expected) / 3)
    assert value("sample_agreement", output=texts[0], samples=[]) is None
    assert value("sample_agreement", output="a b", samples=["a b", None]) == 1.0


def test_log_probabilities_leave_out_what_cannot_be_one() -> None:
    odd = [-1.0, None, float("-inf"), float("nan"), 3.0, -2.0]
    assert value("mean_logprob", token_logprobs=odd) == -1.5
    assert value("least_logprob", token_logprobs=odd) == -2.0
    assert value("mean_logprob", token_logprobs=[math.nan]) is None


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(st.integers(0, 10**7), min_size=1, max_size=4),
    st.integers(0, 6),
    st.sampled_from(["1.2", "1234", "7", "2", "12.5", "3.46", "999", "0.5"]),
)
def test_a_number_that_a_given_one_rounds_to_is_supported(units: list[int], decimals: int, said: str) -> None:
    """Against decimal arithmetic, one pair of numbers after another."""
    given_numbers = [f"{Decimal(one).scaleb(-decimals):f}" for one in units]
    half = Decimal(5).scaleb(-len(said.partition(".")[2]) - 1)
    asked = {Decimal(said), Decimal(said.replace(".", ""))} if "." in said else {Decimal(said)}
    readings_of_given = [Decimal(one) for number in given_numbers for one in readings(number)]
    is_supported = any(
        one == claimed
        or (
            claimed >= 1
            and abs(one / scale - claimed) <= (half if claimed == Decimal(said) else Decimal("0.5"))
        )
        for one in readings_of_given
        for claimed in asked
        for scale in (1, 10**3, 10**6, 10**9)
    )
    context = ["It measured " + " and ".join(given_numbers) + " in all"]
    found = value(
        "unsupported_numbers", input="How much?", context=context, output=f"It measured {said} then"
    )
    assert found is not is_supported
