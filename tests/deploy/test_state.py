"""What the daemon writes lies where it may write, not beside its configuration."""

from pathlib import Path

import pytest

from monitor.config.root import check
from tests.support.daemon import ROOT

CONFIGURATIONS = ("image/watchkeeper.yaml", "debian/watchkeeper.yaml", "compose/watchkeeper/watchkeeper.yaml")
STATE = Path("/var/lib/watchkeeper")


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_spool_and_reports_are_in_the_folder_of_the_state(name: str, tmp_path: Path) -> None:
    text = (ROOT / "deploy" / name).read_text().replace("${file:/run/secrets/postgres_password}", "p")
    file = tmp_path / "watchkeeper.yaml"
    file.write_text(text)
    checked = check(file)
    assert not checked.errors
    for path in (checked.config.notify.spool, checked.config.reports.folder):
        assert Path(path).is_relative_to(STATE)
