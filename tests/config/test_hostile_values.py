"""Any value of any key is taken or refused in words, and what is taken is a number that the daemon can count with."""

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.config.root import check
from monitor.config.sections import parse_size, read_duration
from monitor.config.units import LONGEST_DURATION
from tests.support.thorough import THOROUGH

FULL = Path(__file__).parent.parent.parent / "config" / "full.yaml"
VALUES: tuple[Any, ...] = (
    None,
    "",
    [],
    {},
    -1,
    1e308,
    math.nan,
    math.inf,
    10**400,
    "x" * 10_000,
    "99999999999d",
    "9" * 400 + "d",
    "9" * 400 + "GB",
    -5.5,
    "\x00",
    True,
    [[[]]],
    {"a": {"b": 1}},
    "http://[",
    "https://x:99999999/",
    "${file:/etc}",
    {1: 2},
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from leaves(part, (*path, name))


def test_law_any_value_of_any_key_is_taken_or_refused_in_words(tmp_path: Path) -> None:
    full = yaml.safe_load(FULL.read_text(encoding="utf-8"))
    file = tmp_path / "watchkeeper.yaml"
    for number, path in enumerate(leaves(full)):
        for value in (
            VALUES if THOROUGH else (VALUES[number % len(VALUES)], VALUES[(7 * number + 3) % len(VALUES)])
        ):
            changed = copy.deepcopy(full if THOROUGH else {path[0]: full[path[0]]})  # the whole takes minutes
            place = changed
            for name in path[:-1]:
                place = place[name]
            place[path[-1]] = value
            file.write_text(yaml.safe_dump(changed), encoding="utf-8")
            for error in check(file).errors:
                assert "Traceback" not in str(error)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -1.0, 1e308, "99999999999d", "9" * 400 + "s", 5, True, None]
)
def test_what_is_no_length_of_time_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"duration|longer than"):
        read_duration(value)


@pytest.mark.parametrize("value", [-1, 10**400, "9" * 400 + "GB", True, 1.5, None, "1 XB"])
def test_what_is_no_size_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(value)


def test_the_longest_is_taken() -> None:
    assert read_duration(f"{LONGEST_DURATION // 86_400}d") == LONGEST_DURATION
    assert parse_size("0") == 0


def test_zones_that_no_file_can_be_named_after_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "watchkeeper.yaml"
    for section in ("drift: {{time_zone: '{}'}}", "clients: {{acme: {{timezone: '{}'}}}}"):
        file.write_text(section.format("x" * 100_000), encoding="utf-8")
        assert any("is not a time zone" in str(error) for error in check(file).errors), section
