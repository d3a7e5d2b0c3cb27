"""What a key takes that holds a number: numbers, and the texts that variables are, but no true or false."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from monitor.config.root import check
from monitor.config.schema import Config
from monitor.config.sections import Section
from monitor.rules.language import schema as rules


def parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from parts(argument)


def sections(top: type[BaseModel], found: set[type[BaseModel]]) -> set[type[BaseModel]]:
    found.add(top)
    for field in top.model_fields.values():
        for part in parts(field.annotation):
            if hasattr(part, "model_fields") and part not in found:
                sections(part, found)
    return found


def numbers() -> list[tuple[type[BaseModel], str]]:
    """Every key of the configuration and of rule files that holds a number, or several, and no flag or section."""
    tops = [
        Config,
        *(one for one in vars(rules).values() if isinstance(one, type) and issubclass(one, Section)),
    ]
    known: set[type[BaseModel]] = set()
    for top in tops:
        sections(top, known)
    return sorted(
        (
            (section, name)
            for section in known
            for name, field in section.model_fields.items()
            if (kinds := set(parts(field.annotation))) & {int, float}
            and not any(kind is bool or hasattr(kind, "model_fields") for kind in kinds)
        ),
        key=lambda one: (one[0].__name__, one[1]),
    )


NUMBERS = numbers()


def problems(section: type[BaseModel], name: str, value: Any) -> list[str]:
    field = section.model_fields[name]
    try:
        section.model_validate({field.alias or name: value})
    except ValidationError as error:
        return [one["msg"] for one in error.errors() if one["loc"][0] in (name, field.alias)]
    return []


def test_all_sections_are_looked_at() -> None:
    assert len(NUMBERS) > 80
    assert {"requests_per_minute", "min_rows", "targets", "availability_target", "above"} <= {
        n for _, n in NUMBERS
    }


@pytest.mark.parametrize("flag", [True, False])
def test_law_no_key_that_holds_a_number_takes_true_or_false(flag: bool) -> None:
    taken = [
        f"{section.__name__}.{name}"
        for section, name in NUMBERS
        for value in (flag, {"a": flag}, [flag])
        if not problems(section, name, value)
    ]
    assert taken == []


@pytest.mark.parametrize("text", ["50", "50.0"])
def test_a_number_may_come_from_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("MOST", text)
    file = tmp_path / "watchkeeper.yaml"
    file.write_text("web: {max_connections: '${MOST}'}\nmetrics: {drifted_psi: '${MOST}'}\n")
    checked = check(file)
    assert checked.problems == ()
    assert (checked.config.web.max_connections, checked.config.metrics.drifted_psi) == (50, 50.0)


@pytest.mark.parametrize("value", ["yes", "5 apples", "'1,000'", "nan", "5.5", "''", "null"])
def test_what_is_no_whole_number_is_refused(tmp_path: Path, value: str) -> None:
    file = tmp_path / "watchkeeper.yaml"
    file.write_text(f"web: {{max_connections: {value}}}\n")
    assert [problem.key for problem in check(file).errors] == ["web.max_connections"]


def test_the_place_and_the_name_are_told(tmp_path: Path) -> None:
    file = tmp_path / "watchkeeper.yaml"
    file.write_text("web: {max_connections: true}\ndrift: {importance: {age: 1, amount: false}}\n")
    assert [str(one).removeprefix(f"{file}:") for one in check(file).problems] == [
        "1:7: error: web.max_connections: true is not a number",
        "2:30: error: drift.importance.amount: false is not a number",
    ]
