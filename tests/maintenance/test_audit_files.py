"""The file of signed checkpoints is read again whatever a crash has left in it."""

from pathlib import Path

from monitor.maintenance import audit_signing


def test_lines_after_half_a_line_are_lines_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints"
    audit_signing.append(path, ["first", "second"])
    path.write_bytes(path.read_bytes()[:-3])  # the disk was full
    audit_signing.append(path, ["second", "third"])
    assert path.read_text().splitlines() == ["first", "seco", "second", "third"]
