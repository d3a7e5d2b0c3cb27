"""What a rehearsal found, as a table, as text, and for programs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitor.clock import iso
from monitor.durations import format_duration
from monitor.records import Window


@dataclass(frozen=True, slots=True)
class Incident:
    """One page that the drift watch would have sent. `opened` is when, `since` its estimate of the beginning;
    `columns` are in the order in which they joined, and `reason` says why in words. Times are seconds since the epoch.
    """

    opened: float
    since: float
    columns: tuple[str, ...] = ()
    reason: str = ""
    closed: float | None = None

    @property
    def end(self) -> str:
        """When it was over, in words."""
        return f"over at {iso(self.closed)}" if self.closed else "still open at the end"

    def joined_by(self, columns: Sequence[str], reason: str) -> "Incident":
        """With further columns; the reason is that of the first ones."""
        names = (name.removeprefix("features.") for name in columns)
        more = tuple(name for name in names if name not in self.columns)
        return replace(self, columns=self.columns + more, reason=self.reason or reason)

    def closed_at(self, moment: float) -> "Incident":
        """Over."""
        return replace(self, closed=moment)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was learned from, what the budget means there, and the incidents of the windows that were `judged`.

    `raised` is what the limit is multiplied by, because the reference itself would have raised alarms; `note` says why
    a daemon would not page on it. `untimed` rows were left out; `notes` tell of lines that are no rows.
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
    incidents: tuple[Incident, ...]

    def text(self) -> str:
        """For a terminal."""
        lines = [
            f"learned   {iso(self.learned.start)} to {iso(self.learned.end)}: {self.learned_windows:,} windows of "
            f"{format_duration(self.seconds)}, {len(self.columns)} columns",
            f"budget    {self.meaning}",
        ]
        if self.raised > 1:
            lines.append(
                f"replay    the limit is {self.raised:.2g} times as high: what was learned from was restless"
            )
        if self.note:
            lines.append(f"note      a daemon would tell of drift in the digest only: {self.note}")
        if self.untimed:
            lines.append(f"left out  {self.untimed:,} rows without a time that can be read")
        lines += [f"left out  {note}" for note in self.notes]
        lines.append(f"judged    {self._judged()}")
        for incident in self.incidents:
            over = f"closed {iso(incident.closed)}" if incident.closed else "still open at the end"
            lines += [
                "",
                f"{iso(incident.opened)}  {', '.join(incident.columns)} (since {iso(incident.since)}, {over})",
            ]
            lines.append(f"  {incident.reason}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """For programs: times are ISO 8601."""
        incidents = [
            {"opened": iso(one.opened), "since": iso(one.since), "closed": iso(one.closed) if one.closed else None,
             "columns": list(one.columns), "reason": one.reason}
            for one in self.incidents
        ]  # fmt: skip
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
            return "nothing: no window follows what was learned from"
        count = len(self.incidents)
        told = "no incident" if not count else "1 incident" if count == 1 else f"{count:,} incidents"
        return (
            f"{iso(self.judged[0].start)} to {iso(self.judged[-1].end)}: {len(self.judged):,} windows, {told}"
        )
