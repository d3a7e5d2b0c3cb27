"""The state of a stream as a record for programs, and as lines for the terminal."""

from collections.abc import Iterable

import msgspec

from monitor.config.units import format_duration
from monitor.records import Severity
from monitor.status.overview import StreamStatus


class StatusAnswer(msgspec.Struct, frozen=True):
    """The state of a model: ok, unknown, info, warning or critical, with the reasons, and notes on what is missing.

    `silent_seconds` is the time since the newest data; null if there never was any.
    """

    client: str
    model: str
    environment: str
    state: str
    reasons: list[str]
    figures: dict[str, str]
    silent_seconds: float | None
    notes: list[str]


def answer(line: StreamStatus) -> StatusAnswer:
    """The record of `status --json` and of the API: fields are only ever added."""
    return StatusAnswer(
        line.stream.client,
        line.stream.model,
        line.stream.environment,
        line.state,
        list(line.reasons),
        dict(line.figures),
        None if line.silent_for is None else round(line.silent_for, 1),
        list(line.notes),
    )


def as_text(one: StatusAnswer) -> list[str]:
    """A line with icon, state and figures, then one line per reason and note."""
    icon = {"ok": "✔", "unknown": "?", "info": "✔"}.get(one.state, "✖")
    figures = "  ".join(f"{name} {value}" for name, value in one.figures.items()) or "not measured yet"
    newest = "none" if one.silent_seconds is None else f"{format_duration(round(one.silent_seconds))} ago"
    stream = f"{one.client}/{one.model}/{one.environment}"
    first = f"{icon} {one.state:<8}  {stream}  {figures}  (newest data: {newest})"
    return [first, *(f"    {text}" for text in (*one.reasons, *one.notes))]


def worst(answers: Iterable[StatusAnswer]) -> Severity | None:
    """The worst tier that is open, or None."""
    tiers = [Severity(one.state) for one in answers if one.state in set(Severity)]
    return min(tiers, key=list(Severity).index, default=None)
