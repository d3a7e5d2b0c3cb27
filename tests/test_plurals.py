"""No text says `1 models`: a number before a noun is written by `counted`, unless it cannot be one."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from monitor.visible import counted

ROOT = Path(__file__).parent.parent
NOUN = re.compile(r" (?:[a-z-]+ )?([a-z]{2,}s)\b(.*)", re.DOTALL)
VERBS = {
    *(
        "answers",
        "belongs",
        "changes",
        "does",
        "fires",
        "goes",
        "has",
        "holds",
        "is",
        "needs",
        "runs",
        "serves",
    ),
    *("stands", "stops", "takes", "waits", "was"),
}
NO_NOUNS = VERBS | {"always", "its", "less", "this", "us"} | {"bytes", "characters", "ms", "seconds", "times"}
"""Verbs, other words, and the units of limits and of factors."""
NEVER_ONE = re.compile(
    r"\b_?[A-Z][A-Z_]+\b|\b_?(most|limit|max_list)\b|\bleast_|format_number|wording\.number"
)
"""Constants, limits of the configuration, and texts of real numbers."""
EXCEPT = {
    ("monitor/cli/commands/profile.py", "rate rows"): "a speed",
    ("monitor/gating/figures.py", "size classes"): "more than at most",
    ("monitor/gating/figures.py", "len(data.ranked) classes"): "more than at most",
    ("monitor/metrics/quality/ranking.py", "len(every) classes"): "more than at most",
    ("monitor/rollouts/plan.py", "len(stages) stages"): "more than at most",
    ("monitor/sizing/estimate.py", "high.rows predictions"): "of a fixed table",
    ("monitor/sizing/estimate.py", "high.features features"): "of a fixed table",
    ("monitor/sizing/estimate.py", "low.rows predictions"): "of a fixed table",
    ("monitor/sources/files/csv_reader.py", "lines lines"): "a value of several lines",
    ("monitor/web/auth/refused_keys.py", "others from others"): "others is no noun here",
    ("client/watchkeeper_client/delivery/sender.py", "batch.count records"): "it has halves",
}


def numbers_before_plurals(source: str) -> Iterator[str]:
    """`number noun` of each number of things in an f-string that has a noun in the plural behind it."""
    for node in ast.walk(ast.parse(source)):
        values = node.values if isinstance(node, ast.JoinedStr) else []
        for number, behind in pairwise(values):
            if isinstance(number, ast.FormattedValue) and isinstance(behind, ast.Constant):
                words = NOUN.match(str(behind.value))
                is_noun = words and words[1] not in NO_NOUNS and not words[2].startswith(", more than")
                if words and is_noun and is_number_of_things(number):
                    yield f"{ast.unparse(number.value)}{words[0].removesuffix(words[2])}"


def is_number_of_things(value: ast.FormattedValue) -> bool:
    """Whether a value in an f-string is one, by its format or its name."""
    form = ast.unparse(value.format_spec).strip("f'") if value.format_spec else ""
    words = ast.unparse(value.value)
    if NEVER_ONE.search(words) or words.startswith("counted("):
        return False
    return form in (",", "d", ",d", ",.0", ".0") or "len(" in words or "count" in words


def test_numbers_of_things_are_written_by_counted() -> None:
    found = {
        (str(path.relative_to(ROOT)), words)
        for top in ("monitor", "watchkeeper", "client/watchkeeper_client")
        for path in (ROOT / top).rglob("*.py")
        for words in numbers_before_plurals(path.read_text())
    }
    assert found - set(EXCEPT) == set(), "write {counted(number, 'noun')}"
    assert set(EXCEPT) - found == set(), "exceptions that are none"


def test_templates_look_at_the_number() -> None:
    after = re.compile(r"\{\{ *([\w.]+) *\}\} (?:[a-z-]+ )?([a-z]{2,}s)\b")
    found = {
        (path.name, *match.groups())
        for path in (ROOT / "monitor").rglob("*.html")
        for match in after.finditer(path.read_text())
        if match[2] not in NO_NOUNS and match[1] not in ("most", "segment_features")
    }
    assert found == set(), '{{ "row" if number == 1 else "rows" }}'


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('f"{len(rows)} rows"', ["len(rows) rows"]),
        ('f"about {n:,} more rows are"', ["n more rows"]),
        ('f"{lost:.0f} queries"', ["lost queries"]),
        ('f"{name} has rows"', []),
        ('f"{MOST:,} rows"', []),
        ("f\"{counted(n, 'row')} rows\"", []),
    ],
)
def test_what_the_law_sees(source: str, found: list[str]) -> None:
    assert list(numbers_before_plurals(source)) == found


@pytest.mark.parametrize(
    ("amount", "noun", "text"),
    [
        (0, "row", "0 rows"),
        (1, "row", "1 row"),
        (1.2, "row", "1 row"),
        (1234, "stored row", "1,234 stored rows"),
        (2, "class", "2 classes"),
        (2, "hash", "2 hashes"),
        (2, "entry", "2 entries"),
        (2, "day", "2 days"),
    ],
)
def test_a_number_of_things(amount: float, noun: str, text: str) -> None:
    assert counted(amount, noun) == text
