"""A damaged row costs a line of a digest: the digest of its client is composed all the same, and so are the others'."""

import os
import shutil
from pathlib import Path

import pytest

from monitor.store.rows import FARTHEST
from tests.store.test_damaged_rows import EACH, Damage, damage, started, template  # noqa: F401

READ = (
    "alerts", "baselines", "days", "diagnoses", "digests", "drift_incidents", "history", "incident_notes",
    "measurements", "streams", "target_periods", "transitions", "versions",
)  # fmt: skip
"""Tables that a digest reads."""
CHOSEN = [one for one in EACH if one.table.name in READ]
CASES = CHOSEN if os.environ.get("WATCHKEEPER_EACH") else CHOSEN[::23]


@pytest.mark.parametrize("one", CASES, ids=lambda one: str(one).replace("\0", ""))
def test_a_damaged_row_keeps_back_no_digest(template: Path, tmp_path: Path, one: Damage) -> None:  # noqa: F811
    shutil.copy(template / "watchkeeper.db", tmp_path)
    damage(tmp_path / "watchkeeper.db", [one])
    app = started(tmp_path)
    try:
        now = app.clock.now()
        assert 0 < now < FARTHEST
        for client in ("acme", "globex"):
            for kind in ("daily", "weekly"):
                digest = app.digests.preview(client, now, kind)
                assert digest is not None or one.table.name == "streams"
    finally:
        app.log.stop()
        app.store.close()
