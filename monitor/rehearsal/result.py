"""The result of a rehearsal, as objects, as text, and as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitor.clock import iso
from monitor.config.units import format_duration
from monitor.drift.decision.verdict import between
from monitor.records import Window
from monitor.rehearsal.picture import ShownIncident, TimeLine, html
from monitor.visible import counted


@dataclass(frozen=True, slots=True)
class RehearsedIncident:
    """A page that drift detection would have sent.

    `opened` is its time, `since` the likeliest start of the drift, between `earliest` and `latest`. `columns` are in
    the order in which they joined, and `reason` explains it. Times are seconds since the epoch.
    """

    opened: float
    since: float
    earliest: float
    latest: float
    columns: tuple[str, ...] = ()
    reason: str = ""
    closed: float | None = None

    @property
    def end(self) -> str:
        """When it closed, in words."""
        return f"over at {iso(self.closed)}" if self.closed else "still open at the end"

    @property
    def begun(self) -> str:
        """When it began, in words."""
        return between(self.since, self.earliest, self.latest)

    def joined_by(self, columns: Sequence[str], reason: str) -> "RehearsedIncident":
        """The incident with further columns; it keeps its first reason."""
        names = (name.removeprefix("features.") for name in columns)
        more = tuple(name for name in names if name not in self.columns)
        return replace(self, columns=self.columns + more, reason=self.reason or reason)

    def closed_at(self, moment: float) -> "RehearsedIncident":
        """The incident, closed."""
        return replace(self, closed=moment)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The reference, the meaning of the budget there, and the incidents of the windows in `judged`.

    `raised` is the factor by which the limit was raised because the reference itself would have caused alarms. `note`
    says why a daemon would not page. `untimed` rows were skipped; `notes` describe unreadable lines.
    """

    learned: Window
    learned_windows: int
    seconds: int
    columns: tuple[str, ...]
    untimed: int
    meaning: str
    raised: float
    note: str
    judged: tuple[Window, ...]
    notes: tuple[str, ...]
    incidents: tuple[RehearsedIncident, ...]

    def text(self) -> str:
        """The result for a terminal."""
        lines = [f"{name:<8}  {text}" for name, text in self._facts()]
        for incident in self.incidents:
            over = f"closed {iso(incident.closed)}" if incident.closed else "still open at the end"
            lines += [
                "",
                f"{iso(incident.opened)}  {', '.join(incident.columns)} ({incident.begun}, {over})",
            ]
            lines.append(f"  {incident.reason}")
        return "\n".join(lines)

    def _facts(self) -> list[tuple[str, str]]:
        """The facts of the rehearsal, each as (name, text)."""
        facts = [
            (
                "learned",
                f"{iso(self.learned.start)} to {iso(self.learned.end)}: {counted(self.learned_windows, 'window')} of "
                f"{format_duration(self.seconds)}, {counted(len(self.columns), 'column')}",
            ),
            ("budget", self.meaning),
        ]
        if self.raised > 1:
            facts.append(
                (
                    "replay",
                    f"the limit is {self.raised:.2g} times as high: the reference period varied strongly",
                )
            )
        if self.note:
            facts.append(("note", f"a daemon would report drift in the digest only: {self.note}"))
        if self.untimed:
            facts.append(("left out", f"{counted(self.untimed, 'row')} without a time that can be read"))
        return [*facts, *(("left out", note) for note in self.notes), ("judged", self._judged())]

    def _repr_html_(self) -> str:
        start, end = float(self.learned.start), float(self.learned.end)
        last = float(self.judged[-1].end) if self.judged else end
        incidents = [
            ShownIncident(
                incident.opened,
                incident.closed or last,
                (
                    iso(incident.opened),
                    ", ".join(incident.columns),
                    incident.begun.removeprefix("since "),
                    incident.end,
                    incident.reason,
                ),
            )
            for incident in self.incidents
        ]
        line = TimeLine((start, end), (end, last), (iso(start), iso(last)), incidents)
        return html(line, self._facts())

    def to_dict(self) -> dict[str, Any]:
        """The result for JSON: times are ISO 8601."""
        incidents = [
            {
                "opened": iso(incident.opened),
                "since": iso(incident.since),
                "earliest": iso(incident.earliest),
                "latest": iso(incident.latest),
                "closed": iso(incident.closed) if incident.closed else None,
                "columns": list(incident.columns),
                "reason": incident.reason,
            }
            for incident in self.incidents
        ]
        return {
            "learned": {
                "start": iso(self.learned.start), "end": iso(self.learned.end), "windows": self.learned_windows,
            },
            "window_seconds": self.seconds, "columns": list(self.columns), "untimed": self.untimed,
            "budget": self.meaning, "raised": self.raised, "note": self.note, "notes": list(self.notes),
            "judged_windows": len(self.judged), "incidents": incidents,
        }  # fmt: skip

    def __repr__(self) -> str:
        return self.text()

    def _judged(self) -> str:
        if not self.judged:
            return "nothing: no window follows the reference period"
        count = len(self.incidents)
        incidents = counted(count, "incident") if count else "no incident"
        windows = counted(len(self.judged), "window")
        return f"{iso(self.judged[0].start)} to {iso(self.judged[-1].end)}: {windows}, {incidents}"
