"""docs/security.md names every requirement of the standard, and tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| \d+\.\d+\.\d+", line)
]
ASVS = """
1.1.1-1.1.2 1.2.1-1.2.9 1.3.1-1.3.11 1.4.1-1.4.3 1.5.1-1.5.2 2.1.1-2.1.3 2.2.1-2.2.3 2.3.1-2.3.4
2.4.1 3.2.1-3.2.2 3.3.1-3.3.4 3.4.1-3.4.6 3.5.1-3.5.5 3.7.1-3.7.2 4.1.1-4.1.3 4.2.1 4.3.1-4.3.2
4.4.1-4.4.4 5.1.1 5.2.1-5.2.3 5.3.1-5.3.2 5.4.1-5.4.3 6.1.1-6.1.3 6.2.1-6.2.12 6.3.1-6.3.4
6.4.1-6.4.4 6.5.1-6.5.5 6.6.1-6.6.3 6.8.1-6.8.4 7.1.1-7.1.3 7.2.1-7.2.4 7.3.1-7.3.2 7.4.1-7.4.5
7.5.1-7.5.2 7.6.1-7.6.2 8.1.1-8.1.2 8.2.1-8.2.3 8.3.1 8.4.1 9.1.1-9.1.3 9.2.1-9.2.4 10.1.1-10.1.2
10.2.1-10.2.2 10.3.1-10.3.4 10.4.1-10.4.11 10.5.1-10.5.5 10.6.1-10.6.2 10.7.1-10.7.3 11.1.1-11.1.2
11.2.1-11.2.3 11.3.1-11.3.3 11.4.1-11.4.4 11.5.1 11.6.1 12.1.1-12.1.3 12.2.1-12.2.2 12.3.1-12.3.4
13.1.1 13.2.1-13.2.5 13.3.1-13.3.2 13.4.1-13.4.5 14.1.1-14.1.2 14.2.1-14.2.4 14.3.1-14.3.3
15.1.1-15.1.3 15.2.1-15.2.3 15.3.1-15.3.7 16.1.1 16.2.1-16.2.5 16.3.1-16.3.4 16.4.1-16.4.3
16.5.1-16.5.3
"""
"""The requirements of levels 1 and 2 of ASVS 5.0.0, by their numbers."""


def numbers(words: list[str]) -> list[str]:
    """The numbers in `1.2.3` and `1.2.3-1.2.5`."""
    found = []
    for word in words:
        first, _, last = word.partition("-")
        section, start = first.rsplit(".", 1)
        end = (last or first).rsplit(".", 1)[1]
        found += [f"{section}.{number}" for number in range(int(start), int(end) + 1)]
    return found


def test_every_requirement_is_on_the_page_once() -> None:
    covered = [number for requirement, *_ in ROWS for number in numbers(requirement.split(", "))]
    assert sorted(covered) == sorted(numbers(ASVS.split()))
    assert len(covered) == 246


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_says_where_it_is_met_and_names_tests_that_exist(row: list[str]) -> None:
    _, in_short, where, test = row
    assert in_short
    assert where
    for one in test.split(", ") if test != "—" else ():
        path, _, name = one.strip("`").partition("::")
        assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), name
