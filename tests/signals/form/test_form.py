"""The form of answers."""

import pytest

from tests.bench.signals.written import ANSWERS
from tests.signals.measuring import value

REFUSING = [
    "I'm sorry, but I can't help with that.",
    "I cannot provide medical advice.",
    "I\u2019m unable to assist with this request.",
    "As an AI language model, I cannot do that.",
    "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "Ich kann Ihnen dazu keine Auskunft geben.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    "Lo siento, pero no puedo ayudarte con eso.",
]
ANSWERING = [
    "Sure, here is how.",
    "I can't wait to tell you about it.",
    *ANSWERS["de"],
    *ANSWERS["fr"],
    *ANSWERS["es"],
]


@pytest.mark.parametrize("answer", REFUSING)
def test_refusals_are_found_in_their_opening_words(answer: str) -> None:
    assert value("refusal", output=answer) is True
    assert value("refusal", output="x" * 300 + answer) is False


def test_answers_are_no_refusals() -> None:
    assert [one for one in ANSWERING if value("refusal", output=one)] == []


def test_repetition_is_the_share_of_runs_that_came_before() -> None:
    assert value("repetition", output="one two three four " * 5) == pytest.approx(1 - 4 / 17)
    assert value("repetition", output=" ".join(map(str, range(40)))) == 0.0
    assert value("repetition", output="too short for that") is None


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("What is the weather in the town?", "It is cold and the wind is from the north.", False),
        ("Wie ist das Wetter in der Stadt und warum?", "It is cold and the wind is from the north.", True),
        ("What is the weather in the town?", "Погода сегодня холодная и ветреная", True),
        ("Какая погода", "Погода сегодня холодная и ветреная", False),
        ("今日の天気はどうですか", "今天的天气很冷", True),
        ("ok?", "It is cold and the wind is from the north.", None),
    ],
)
def test_an_answer_in_another_language_is_told(question: str, answer: str, expected: bool | None) -> None:
    assert value("other_language", input=question, output=answer) is expected


@pytest.mark.parametrize(
    ("answer", "is_asked", "expected"),
    [
        ('{"a": [1, null]}', True, False),
        ("{'a': 1}", True, True),
        ('```json\n{"a": 1}\n```', True, True),
        ("[" * 100_000, True, True),
        ("no", False, None),
        ("no", None, None),
        (" ", True, None),
    ],
)
def test_json_is_checked_where_it_was_asked_for(
    answer: str, is_asked: bool | None, expected: bool | None
) -> None:
    assert value("invalid_json", output=answer, json_asked=is_asked) is expected


@pytest.mark.parametrize(
    ("reason", "expected"), [("length", True), ("MAX_TOKENS", True), ("stop", False), (None, None)]
)
def test_an_answer_that_was_cut_is_told_by_its_reason(reason: str | None, expected: bool | None) -> None:
    assert value("cut_answer", finish_reason=reason) is expected


def test_lengths() -> None:
    assert value("answer_words", output=" one  two\nthree ") == 3.0
    assert value("answer_characters", output="né") == 2.0
    assert value("empty_answer", output="\u00a0") is True
    assert value("empty_answer", output=None) is None
