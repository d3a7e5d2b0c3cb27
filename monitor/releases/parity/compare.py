"""Compares two environments of a model: every difference, worst first, and whether it is agreed. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from monitor.releases.parity import observed, recorded
from monitor.releases.parity.pairs import Pair
from monitor.releases.parity.row import ParityRow, ParityStanding
from monitor.releases.parity.side import EnvironmentState
from monitor.releases.settings import ParitySettings


def compare(
    left: EnvironmentState,
    right: EnvironmentState,
    settings: ParitySettings,
    replayed: Sequence[Pair] | None = None,
) -> list[ParityRow]:
    """All rows, worst first. `right` is what `left` should be like: the left side is staging, the right production.

    `replayed` are the answers of both to inputs of the right side; without them, stored predictions with the same
    inputs are compared.
    """
    rows = [
        *recorded.rows(left, right),
        observed.volumes(left, right, settings),
        *observed.schema(left, right),
        *observed.rules(left, right),
        observed.answers(left, right, settings, replayed),
        *observed.distributions(left, right, settings),
    ]
    return sorted((_agreed(row, settings.agreed) for row in rows), key=lambda row: row.order)


def differs(rows: Sequence[ParityRow]) -> bool:
    """Whether the environments differ beyond what is agreed."""
    return any(row.standing is ParityStanding.DIFFERS for row in rows)


def summary(rows: Sequence[ParityRow]) -> str:
    """How many rows have which standing, in words."""
    counts = {standing: sum(row.standing is standing for row in rows) for standing in ParityStanding}
    return ", ".join(f"{count} {standing.value}" for standing, count in counts.items() if count)


def _agreed(row: ParityRow, patterns: tuple[str, ...]) -> ParityRow:
    if row.standing is ParityStanding.DIFFERS and any(fnmatchcase(row.name, pattern) for pattern in patterns):
        return replace(row, standing=ParityStanding.AGREED, note=row.note or "agreed in the configuration")
    return row
