"""The state of a stream as JSON and as lines for the terminal."""

from monitor.config.units import format_duration
from monitor.status.overview import StreamStatus


def as_json(line: StreamStatus) -> dict[str, object]:
    """The shape of `status --json`: keys are only ever added."""
    return {
        "client": line.stream.client,
        "model": line.stream.model,
        "environment": line.stream.environment,
        "state": line.state,
        "reasons": list(line.reasons),
        "figures": dict(line.figures),
        "silent_seconds": None if line.silent_for is None else round(line.silent_for, 1),
        "notes": list(line.notes),
    }


def as_text(line: StreamStatus) -> list[str]:
    """A line with icon, state and figures, then one line per reason and note."""
    icon = {"ok": "✔", "unknown": "?", "info": "✔"}.get(line.state, "✖")
    figures = "  ".join(f"{name} {value}" for name, value in line.figures) or "not measured yet"
    newest = "none" if line.silent_for is None else f"{format_duration(round(line.silent_for))} ago"
    first = f"{icon} {line.state:<8}  {line.stream}  {figures}  (newest data: {newest})"
    return [first, *(f"    {text}" for text in (*line.reasons, *line.notes))]
