"""A damaged row costs a line of a digest: the digest of its client is composed all the same, and so are the others'."""

import shutil
from pathlib import Path

import pytest

from monitor.store.rows import FARTHEST
from tests.store.test_damaged_rows import EACH, Damage, damage, started, template  # noqa: F401
from tests.support.thorough import THOROUGH

READ = (
    "alerts", "baselines", "days", "diagnoses", "digests", "drift_incidents", "history", "incident_notes",
    "measurements", "streams", "target_periods", "transitions", "versions",
)  # fmt: skip
"""Tables that a digest reads."""
CHOSEN = [one for one in EACH if one.table.name in READ]


def several(number: int, most: int) -> list[Damage]:
    """One damage of each table but that of the streams, another one for each of `most` cases."""
    tables = sorted({one.table.name for one in CHOSEN} - {"streams"})
    by_table = [[one for one in CHOSEN if one.table.name == name] for name in tables]
    return [own[(number * max(len(own) // most, 1) + number) % len(own)] for own in by_table]


CASES = (
    [[one] for one in CHOSEN]
    if THOROUGH
    else [several(number, 10) for number in range(10)]
    + [[one] for one in CHOSEN if one.table.name == "streams"][::23]
)


@pytest.mark.parametrize("some", CASES, ids=lambda some: str(some[0]).replace("\0", ""))
def test_a_damaged_row_keeps_back_no_digest(template: Path, tmp_path: Path, some: list[Damage]) -> None:  # noqa: F811
    shutil.copy(template / "watchkeeper.db", tmp_path)
    damage(tmp_path / "watchkeeper.db", some)
    app = started(tmp_path)
    try:
        now = app.clock.now()
        assert 0 < now < FARTHEST
        for client in ("acme", "globex"):
            for kind in ("daily", "weekly"):
                digest = app.digests.preview(client, now, kind)
                assert digest is not None or some[0].table.name == "streams", some
    finally:
        app.log.stop()
        app.store.close()
