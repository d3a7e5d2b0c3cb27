"""The quarantine: what was refused is counted under names that can be looked up."""

import re
from pathlib import Path

from monitor.store.quarantine import REASONS

PREDICTIONS = Path(__file__).parent.parent.parent / "monitor" / "predictions"


def test_every_reason_for_which_a_record_is_refused_is_listed():
    code = "".join(path.read_text() for path in PREDICTIONS.rglob("*.py"))
    given = set(re.findall(r'RecordError\(\s*"(\w+)"', code))
    assert len(given) > 3
    assert given <= set(REASONS)
