"""Signals of support on HaluEval, on exchanged answers, and on answers with an exchanged number, date or name."""

import random
import re
from collections.abc import Iterator, Sequence

import numpy as np

from monitor.signals.calls import Calls
from monitor.signals.measured import MeasuredError
from monitor.signals.registry import SIGNALS, measure
from tests.bench.signals.datasets import SEED, Packages, Pair, measured
from tests.bench.signals.scoring import Numbers, auc, is_matched, share

KINDS = {"qa": "question answering", "dialogue": "dialogue", "summarization": "summaries"}
FLAGS = ("off_topic", "unsupported_numbers", "unsupported_dates", "unsupported_names")
_NUMBER = re.compile(r"(?<![\d.,])\d{2,}(?:[.,]\d+)*")
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def values(pairs: Sequence[Pair], answers: Sequence[str]) -> dict[str, list[float | bool | None]]:
    """Signals of support of answers to the questions of pairs."""
    calls = Calls.of(
        {
            "input": [one.question for one in pairs],
            "context": [[one.context] for one in pairs],
            "output": list(answers),
        }
    )
    wanted = [one for one in SIGNALS if one.name in (*FLAGS, "word_support")]
    return dict(measure(calls, signals=wanted).to_pydict())


def _numbers(values: Sequence[float | bool | None]) -> Numbers:
    return np.array([np.nan if one is None else float(one) for one in values])


def errors(packages: Packages, n: int) -> Iterator[MeasuredError]:
    """Figures of all sets, each on the rows that no rule was chosen on."""
    for kind, name in KINDS.items():
        pairs = measured(packages.halueval(kind, n))
        yield from _halueval(pairs, f"HaluEval {name}")
    yield from _exchanged(measured(packages.halueval("summarization", n)))


def _halueval(pairs: list[Pair], dataset: str) -> Iterator[MeasuredError]:
    right = values(pairs, [one.right for one in pairs])
    wrong = values(pairs, [one.wrong for one in pairs])
    equal = np.array([is_matched(one.right, one.wrong) for one in pairs])
    lengths = [np.array([len(text) for text in texts], float) for texts in _texts(pairs)]
    good, bad = _numbers(right["word_support"]), _numbers(wrong["word_support"])
    yield MeasuredError(
        signal="word_support",
        dataset=dataset,
        positives=int(np.isfinite(bad).sum()),
        negatives=int(np.isfinite(good).sum()),
        auc=auc(good, bad),
        baseline=auc(-lengths[0], -lengths[1]),
        matched=auc(good[equal], bad[equal]) if _is_enough(good[equal], bad[equal]) else None,
    )
    for name in FLAGS:
        recall, positives = share(wrong[name])
        alarms, negatives = share(right[name])
        yield MeasuredError(name, dataset, "en", positives, negatives, recall, alarms)


def _is_enough(good: Numbers, bad: Numbers) -> bool:
    return min(np.isfinite(good).sum(), np.isfinite(bad).sum()) >= 30


def _texts(pairs: list[Pair]) -> tuple[list[str], list[str]]:
    return [one.right for one in pairs], [one.wrong for one in pairs]


def _exchanged(pairs: list[Pair]) -> Iterator[MeasuredError]:
    """Right summaries with one thing changed, beside the right summaries as they are."""
    plain = values(pairs, [one.right for one in pairs])
    others = [pairs[(place + 1) % len(pairs)].right for place in range(len(pairs))]
    off = values(pairs, others)
    recall, positives = share(off["off_topic"])
    alarms, negatives = share(plain["off_topic"])
    good, bad = _numbers(plain["word_support"]), _numbers(off["word_support"])
    yield MeasuredError(
        "off_topic", "summaries of other articles", "en", positives, negatives, recall, alarms
    )
    yield MeasuredError(
        "word_support", "summaries of other articles", "en", positives, negatives, auc=auc(good, bad)
    )
    changes = {
        "unsupported_numbers": ("a number exchanged", _other_number),
        "unsupported_dates": ("a date exchanged", _other_date),
        "unsupported_names": ("a name exchanged", _other_name),
    }
    for signal, (what, change) in changes.items():
        draw = random.Random(SEED)
        changed = [(one, text) for one in pairs if (text := change(one.right, draw)) != one.right]
        found = values([one for one, _ in changed], [text for _, text in changed])[signal]
        recall, positives = share(found)
        alarms, negatives = share(plain[signal])
        yield MeasuredError(signal, f"summaries with {what}", "en", positives, negatives, recall, alarms)


def _other_number(text: str, draw: random.Random) -> str:
    found = list(_NUMBER.finditer(text))
    if not found:
        return text
    one = draw.choice(found)
    other = "".join(str((int(c) + draw.randint(1, 8)) % 10) if c.isdigit() else c for c in one.group())
    return text[: one.start()] + ("1" + other[1:] if other[0] == "0" else other) + text[one.end() :]


def _other_date(text: str, draw: random.Random) -> str:
    for month in _MONTHS:
        found = re.search(rf"\b{month}\s\d{{1,2}}\b|\b\d{{1,2}}\s{month}\b", text)
        if found:
            other = draw.choice([one for one in _MONTHS if one != month])
            return text[: found.start()] + found.group().replace(month, other) + text[found.end() :]
    return text


_NAMES = ("Brandvold", "Okonjo", "Szymanski", "Quintero", "Fairweather", "Takahashi", "Zellweger", "Novotny")


def _other_name(text: str, draw: random.Random) -> str:
    found = list(re.finditer(r"(?<=[a-z,] )[A-Z][a-z]{3,}\b", text))
    if not found:
        return text
    one = draw.choice(found)
    return text[: one.start()] + draw.choice(_NAMES) + text[one.end() :]
