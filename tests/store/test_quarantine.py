"""The quarantine: what was refused is counted under names that can be looked up."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from monitor.records import Rejected
from monitor.store import quarantine
from monitor.store.db import Store
from monitor.store.quarantine import REASONS, Quarantined
from tests.support import schema

PREDICTIONS = Path(__file__).parent.parent.parent / "monitor" / "predictions"


def test_every_reason_for_which_a_record_is_refused_is_listed() -> None:
    code = "".join(path.read_text() for path in PREDICTIONS.rglob("*.py"))
    given = set(re.findall(r'RecordError\(\s*"(\w+)"', code))
    assert len(given) > 3
    assert given <= set(REASONS)


@pytest.mark.parametrize(
    "damage", ["record = 7", "count = 'many'", "at = 4e18", "error = x'ff'", "position = 'x'"]
)
def test_a_row_that_cannot_be_read_is_told_and_makes_no_list_shorter(tmp_path: Path, damage: str) -> None:
    store = schema.create(Store(f"sqlite:///{tmp_path}/watchkeeper.db"))
    with store.write() as connection:
        for number in range(5):
            rejected = Rejected(number, "wrong", "send it again", "acme", "fraud", b"{}")
            quarantine.put(connection, [Quarantined(1e9 + number, "predictions", "invalid", rejected, 1)])
        connection.execute(text(f"UPDATE quarantine SET {damage} WHERE id = 4"))
    with store.read() as connection:
        newest = quarantine.numbered(connection, "acme", 2)
        before = quarantine.numbered(connection, "acme", 2, newest[-1][0])
        everything = quarantine.latest(connection)
    assert [number for number, _ in newest + before] == [5, 3, 2, 1]
    assert [one.rejected.index for one in everything] == [4, 2, 1, 0]
    assert [fault.subject for fault in store.faults.active()] == ["4"]
    store.close()
