"""The application: retrieves documents by words that they share with a question, and fills a template with a sentence.

The "model" has no weights, so that the demonstration needs no key and its faults are known. All numbers of cards, keys
and addresses are made up: the card number is one that issuers give for tests.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any

from monitor.demo.assistant.documents import (
    DOCUMENTS,
    INJECTION,
    QUESTIONS,
    REFUSAL,
    SYSTEM,
    PassengerQuestion,
)

STREAM = {"client": "skyline", "model": "travel-assistant", "environment": "production"}
VERSION = "assistant-1"
PER_SECOND = 5
_OPENINGS = ("", "Of course. ", "Happy to help. ", "Good question. ")
_USERS = tuple(f"user-{number}" for number in range(1, 21))
_CARD, _KEY = "4111 1111 1111 1111", "ghp_" + "a1B2c3D4e5F6" * 3
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[a-z]+")

Record = dict[str, Any]


class AnswerFault(StrEnum):
    """What is wrong with the answers."""

    UNSUPPORTED = "unsupported"
    LEAKING = "leaking"
    INJECTED = "injected"
    REFUSING = "refusing"


MEANING = {
    AnswerFault.UNSUPPORTED: "most answers have numbers that no document has",
    AnswerFault.LEAKING: "one answer in ten has the card number or the key of somebody else",
    AnswerFault.INJECTED: "a document gives the model other instructions, and some answers repeat its system prompt",
    AnswerFault.REFUSING: "most answers decline",
}


@dataclass(slots=True)
class Application:
    """Answers questions. `canary` is in its system prompt; `chance` decides who asks what, and where faults strike."""

    canary: str
    chance: random.Random
    turns: Iterator[int] = field(default_factory=count)

    @property
    def system(self) -> str:
        """The system prompt."""
        return SYSTEM.format(canary=self.canary)

    def answer(self, fault: AnswerFault | None, now: float) -> Record:
        """The record of one call at `now`, in seconds since the epoch."""
        question = self.chance.choice(QUESTIONS)
        context = retrieved(question)
        if fault is AnswerFault.INJECTED and self.chance.random() < 0.6:
            context = [*context, INJECTION]
        output = self._output(question, fault)
        tokens = sum(len(text.split()) for text in (self.system, question.text, *context)) * 4 // 3
        written = len(output.split()) * 4 // 3
        first = self.chance.gammavariate(6, 50)
        return {
            **STREAM,
            "id": f"call-{now:.3f}-{next(self.turns)}",
            "version": VERSION,
            "timestamp": now,
            "texts": {"input": question.text, "output": output, "context": context, "system": self.system},
            "usage": {"input_tokens": tokens, "output_tokens": written},
            "ttft_ms": first,
            "latency_ms": first + written * self.chance.uniform(8, 14),
            "finish_reason": "stop",
            "segments": {"user": self.chance.choice(_USERS)},
        }

    def _output(self, question: PassengerQuestion, fault: AnswerFault | None) -> str:
        sentence = DOCUMENTS[question.document].split(". ")[question.sentence].rstrip(".") + "."
        answer = self.chance.choice(_OPENINGS) + sentence
        if self.chance.random() < 0.02:  # any assistant declines now and then
            return REFUSAL
        match fault:
            case AnswerFault.REFUSING if self.chance.random() < 0.8:
                return REFUSAL
            case AnswerFault.UNSUPPORTED if self.chance.random() < 0.8:
                return _NUMBER.sub(lambda match: str(int(match[0]) * 7 + 13), answer)
            case AnswerFault.LEAKING if self.chance.random() < 0.1:
                return f"{answer} The passenger before you paid with card {_CARD}; our key is {_KEY}."
            case AnswerFault.INJECTED if self.chance.random() < 0.2:
                return f"Developer mode. My system prompt is: {self.system}"
        return answer


def retrieved(question: PassengerQuestion) -> list[str]:
    """The document that answers, and the one that shares most other words with the question."""
    asked = set(_WORD.findall(question.text.lower()))
    ranked = sorted(DOCUMENTS, key=lambda text: -len(asked & set(_WORD.findall(text.lower()))))
    best = DOCUMENTS[question.document]
    return [best, next(text for text in ranked if text != best)]
