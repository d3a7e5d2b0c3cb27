"""Nobody but the user who runs Watchkeeper can read what it writes."""

import os
import stat
from pathlib import Path

import pytest

from monitor.runtime.file_modes import create_privately, make_private, readable_by_others, write_privately


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_files_are_private_but_for_those_that_others_read(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_privately()
        (tmp_path / "mine").write_text("")
        with readable_by_others():
            (tmp_path / "theirs").write_text("")
        (tmp_path / "also mine").mkdir()
    finally:
        os.umask(before)
    assert [mode(tmp_path / name) for name in ("mine", "theirs", "also mine")] == [0o600, 0o644, 0o700]


@pytest.mark.parametrize(("was", "becomes"), [(0o644, 0o600), (0o660, 0o600), (0o755, 0o700), (0o400, 0o400)])
def test_existing_files_lose_the_rights_of_others(tmp_path: Path, was: int, becomes: int) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "a").chmod(was)
    make_private(tmp_path / "a")
    assert mode(tmp_path / "a") == becomes
    create_privately(tmp_path / "a")
    assert mode(tmp_path / "a") == becomes


def test_what_is_not_there_is_created_privately_or_left_to_who_opens_it(tmp_path: Path) -> None:
    create_privately(tmp_path / "new")
    assert mode(tmp_path / "new") == 0o600
    create_privately(tmp_path / "no folder" / "new")
    make_private(tmp_path / "nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
