"""The expectations of a model for engineers: how many rows violate each, and whether that is too many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.expectations.expectation import OF_WINDOWS, Expectation
from monitor.health.wording import NOTHING
from monitor.metrics.declared.expected import EXPECTATION_FAILED, VIOLATION_SHARE
from monitor.records import Labels, Measurement
from monitor.visible import one_line


@dataclass(frozen=True, slots=True)
class ExpectationRow:
    """One expectation: `failed` is None where it was not measured, for the `reason`. `id` is empty where no rows can be
    shown that violate it.
    """

    column: str
    expectation: str
    tier: str
    failed: bool | None
    share: str
    interval: str
    n: int
    reason: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class ExpectationsView:
    """All expectations over the window that begins at `start` and ends at `end`, those that failed first."""

    rows: Sequence[ExpectationRow] = ()
    start: float = 0.0
    end: float = 0.0


def of_measurements(measured: Sequence[Measurement], some: Sequence[Expectation] = ()) -> ExpectationsView:
    """The expectations of one window; `some` are those in force."""
    shares = {one.labels: one for one in measured if one.metric == VIOLATION_SHARE.name}
    failed = {one.labels: one for one in measured if one.metric == EXPECTATION_FAILED.name}
    names: dict[Labels, None] = dict.fromkeys([*shares, *failed])
    if not names:
        return ExpectationsView()
    ids = {(one.about, one.words): one.id for one in some if one.check not in OF_WINDOWS}
    rows = [_row(name, shares.get(name), failed.get(name), ids) for name in names]
    rows.sort(key=lambda row: (not row.failed, row.column, row.expectation))
    window = next(iter({**shares, **failed}.values())).window
    return ExpectationsView(rows, window.start, window.end)


def _row(
    name: Labels, share: Measurement | None, failed: Measurement | None, ids: Mapping[tuple[str, str], str]
) -> ExpectationRow:
    given = dict(name)
    known = share is not None and share.value is not None and share.low is not None and share.high is not None
    either = failed or share
    return ExpectationRow(
        one_line(given.get("column", "")),
        one_line(given.get("expectation", "")),
        given.get("tier", ""),
        None if failed is None or failed.value is None else failed.value > 0,
        _percent(share.value) if known and share is not None else NOTHING,
        f"{_percent(share.low)} to {_percent(share.high)}" if known and share is not None else NOTHING,
        round(either.n) if either is not None else 0,
        one_line(share.reason) if share is not None else "",
        ids.get((given.get("column", ""), given.get("expectation", "")), "") if share and share.value else "",
    )


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value * 100:.3g} %"
