"""A suite of expectations as a YAML file: read with file, line and column of each mistake, and written for editing."""

import re
from pathlib import Path
from typing import Annotated, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BeforeValidator, Field, field_validator, model_validator

from monitor.config.sections import Duration, RealNumber, Section
from monitor.config.units import format_duration
from monitor.config.yaml import Document, read, validate
from monitor.expectations.expectation import Check, Expectation, Tier
from monitor.expressions.condition import compile_condition
from monitor.expressions.grammar import OF_PREDICTION

TYPES = ("number", "integer", "boolean", "text")
_NEEDS = {
    Check.TYPE: ("type",),
    Check.ALLOWED: ("values",),
    Check.PATTERN: ("regex",),
    Check.NO_PATTERN: ("regex",),
    Check.FRESH: ("within",),
}
_MAY = {
    **_NEEDS,
    Check.RANGE: ("least", "most"),
    Check.LENGTH: ("least", "most"),
    Check.ROWS: ("least", "most"),
    Check.UNIQUE: ("together_with",),
}
_PREFIXES = ("features.", "segments.", "probabilities.", "signals.")
_KNOWN = OF_PREDICTION | {"id", "timestamp"}


def _share(value: Any) -> Any:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip()) if isinstance(value, str) else None
    return float(match[1]) / 100 if match else value


Share = Annotated[RealNumber, BeforeValidator(_share), Field(ge=0, lt=1)]


class CheckSection(Section):
    """One expectation of a column."""

    check: Check
    type: str | None = None
    least: RealNumber | None = None
    most: RealNumber | None = None
    values: tuple[bool | int | float | str, ...] | None = None
    regex: str | None = None
    within: Duration | None = Field(default=None, gt=0)
    together_with: tuple[str, ...] | None = Field(default=None, min_length=1)
    tolerated: Share = 0.0
    severity: Tier = Tier.WARNING

    @field_validator("type")
    @classmethod
    def _is_type(cls, value: str | None) -> str | None:
        if value is not None and value not in TYPES:
            raise ValueError(f"{value!r} is not a type: use one of {', '.join(TYPES)}")
        return value

    @field_validator("regex")
    @classmethod
    def _is_regex(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                pc.match_substring_regex(pa.array([""]), f"^(?:{value})$")
            except pa.ArrowInvalid as error:
                raise ValueError(f"is not a valid RE2 regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        given = [
            name
            for name in ("type", "least", "most", "values", "regex", "within", "together_with")
            if getattr(self, name) is not None
        ]
        may = _MAY.get(self.check, ())
        if stray := [name for name in given if name not in may]:
            raise ValueError(
                f"{self.check} has no {stray[0]}{f': it has {chr(44).join(may)}' if may else ''}"
            )
        if missing := [name for name in _NEEDS.get(self.check, ()) if name not in given]:
            raise ValueError(f"{self.check} needs {missing[0]}")
        if may == ("least", "most") and not given:
            raise ValueError(f"{self.check} needs least or most")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError("least is more than most")
        if self.check in (Check.CONDITION, Check.ROWS):
            raise ValueError(f"{self.check} is not about a column: move it out of `columns`")
        return self

    def expectation(self, column: str) -> Expectation:
        """As an expectation of a column."""
        given = {name: getattr(self, name) for name in _MAY.get(self.check, ())}
        arguments = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in given.items()
            if value is not None
        }
        if self.together_with is not None:
            arguments["together_with"] = [column_name(name) for name in self.together_with]
        return Expectation(self.check, column, arguments, self.tolerated, self.severity)


class ConditionSection(Section):
    """One condition of each row."""

    expression: str
    tolerated: Share = 0.0
    severity: Tier = Tier.WARNING

    @field_validator("expression")
    @classmethod
    def _is_condition(cls, value: str) -> str:
        compile_condition(value)
        return value


class RowsSection(Section):
    """How many rows an hour has."""

    least: RealNumber | None = Field(default=None, ge=0)
    most: RealNumber | None = Field(default=None, ge=0)
    severity: Tier = Tier.WARNING

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.least is None and self.most is None:
            raise ValueError("rows needs least or most")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError("least is more than most")
        return self


class SuiteSection(Section):
    """The file: expectations by column, conditions of a row, and rows an hour."""

    columns: dict[str, tuple[CheckSection, ...]] = Field(default_factory=dict)
    conditions: tuple[ConditionSection, ...] = ()
    rows: RowsSection | None = None


def load(path: Path) -> list[Expectation]:
    """The expectations of a file.

    Raises:
        ConfigError: with every mistake as file:line:column.
    """
    document = read(path, {})
    return of_document(document)


def of_document(document: Document) -> list[Expectation]:
    """The expectations of a document that was read.

    Raises:
        ConfigError: with every mistake as file:line:column.
    """
    suite = validate(SuiteSection, document, document.data)
    expectations = [
        check.expectation(column_name(name)) for name, checks in suite.columns.items() for check in checks
    ]
    for condition in suite.conditions:
        given = {"expression": condition.expression}
        expectations.append(Expectation(Check.CONDITION, "", given, condition.tolerated, condition.severity))
    if suite.rows is not None:
        bounds = {name: getattr(suite.rows, name) for name in ("least", "most")}
        given = {name: value for name, value in bounds.items() if value is not None}
        expectations.append(Expectation(Check.ROWS, "", given, 0.0, suite.rows.severity))
    return list({expectation.id: expectation for expectation in expectations}.values())


def column_name(name: str) -> str:
    """The column of a bare name: a field of the prediction, else a feature."""
    return name if name.startswith(_PREFIXES) or name in _KNOWN else f"features.{name}"


def dump(some: list[Expectation], heading: str = "") -> str:
    """The suite as YAML."""
    lines = [f"# {line}" for line in heading.splitlines()]
    by_column: dict[str, list[Expectation]] = {}
    for one in some:
        if one.column:
            by_column.setdefault(one.column.removeprefix("features."), []).append(one)
    lines += ["columns:"] if by_column else ["columns: {}"]
    for column, own in by_column.items():
        name = column if column_name(column) == own[0].column else own[0].column
        lines.append(f"  {_escaped(name)}:")
        lines += [f"    - {{check: {one.check}{_rest(one)}}}" for one in own]
    conditions = [one for one in some if one.check is Check.CONDITION]
    lines += ["conditions:"] if conditions else []
    lines += [
        f"  - {{expression: {_quoted(condition.arguments['expression'])}{_rest(condition, ())}}}"
        for condition in conditions
    ]
    for one in some:
        if one.check is Check.ROWS:
            lines.append(f"rows: {{{_rest(one)[2:]}}}  # an hour")
    return "\n".join(lines) + "\n"


def _rest(one: Expectation, names: tuple[str, ...] | None = None) -> str:
    given = {name: one.arguments[name] for name in (one.arguments if names is None else names)}
    if "within" in given:
        given["within"] = format_duration(given["within"])
    if one.tolerated:
        given["tolerated"] = float(f"{one.tolerated:.6g}")
    given["severity"] = one.tier.value
    return "".join(f", {name}: {_scalar(value)}" for name, value in given.items())


def _scalar(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.17g}"
    text = str(value)
    return text if re.fullmatch(r"[a-z]{2,20}", text) and text not in _WORDS else _quoted(text)


_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off"))


def _quoted(text: str) -> str:
    """A YAML text in double quotes; `$` is doubled, because files fill in variables in values."""
    return _escaped(text).replace("$", "$$")


def _escaped(text: str) -> str:
    inner = "".join(
        {'"': '\\"', "\\": "\\\\"}.get(c, c) if c.isprintable() else f"\\U{ord(c):08x}" for c in text
    )
    return f'"{inner}"'
